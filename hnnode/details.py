"""Chinese for the details of errors: what the English text says, where nobody wrote both at the place itself.

A row is the English text as the code has it and the Chinese one, both with the same named holes. What no row fits stays
English, so a changed wording costs a translation and never a message; a test wants every row's English text in the code.
"""

from __future__ import annotations

import re
from functools import cache

CHARS_MAX = 600
DEPTH_MAX = 3
"""Details within a detail: `path: field: what is wrong`."""
_ROWS: tuple[tuple[str, str], ...] = (
    # Files, homes, keys.
    ("{path}: no such file", "{path}：没有这个文件"),
    ("{path}: not a regular file", "{path}：不是普通文件"),
    ("{path}: not a PEM text", "{path}：不是 PEM 文本"),
    ("{path}: exists already and is not overwritten", "{path}：已存在，不会覆盖；换一个名称，或先移走它"),
    ("{path}: got mode {mode}, want 600 (chmod 600 {path2})", "{path}：权限为 {mode}，应为 600（chmod 600 {path2}）"),
    (
        "{path}: mode is {mode}, want 600 (run `chmod 600 {path2}`)",
        "{path}：权限为 {mode}，应为 600（执行 `chmod 600 {path2}`）",
    ),
    ("{path}: longer than {count} bytes", "{path}：超过 {count} 字节"),
    ("{path}: larger than {count} bytes", "{path}：超过 {count} 字节"),
    (
        "{home}: no such home (run `hnnode init` or `hnnode testnet` first)",
        "{home}：没有这个节点目录（先执行 `hnnode init` 或 `hnnode testnet`）",
    ),
    (
        "{path}: no such file (run `hnnode init` or `hnnode testnet` first)",
        "{path}：没有这个文件（先执行 `hnnode init` 或 `hnnode testnet`）",
    ),
    (
        "{home}: file system is {kind}, want a local one (fsync and locks must hold)",
        "{home}：文件系统为 {kind}，应为本地文件系统（fsync 与文件锁须可靠）",
    ),
    ("{path}: held by process {pid}", "{path}：被进程 {pid} 占用"),
    ("{path}: no database is here; was this node ever started?", "{path}：没有数据库；这个节点启动过吗？"),
    ("{path}: the database holds no block in files yet", "{path}：文件中还没有区块"),
    ("{path}: not a file of domain keys", "{path}：不是引用域密钥文件"),
    ("{path}: epoch {epoch} is the last one", "{path}：密钥期 {epoch} 已是最后一期"),
    ("{path}: not a file of differences: {kind} {reason}", "{path}：不是差异文件：{kind} {reason}"),
    ("account {account} of this key is no validator of the chain", "该密钥的账户 {account} 不是这条链的验证者"),
    ("decryption failed: wrong key or altered data", "解密失败：口令或密钥不对，或数据已被改动"),
    # Start of a node.
    ("{host}:{port} is in use by another process", "{host}:{port} 已被另一进程占用"),
    ("peer port {host}:{port}: {reason}", "节点间端口 {host}:{port}：{reason}"),
    ("no {count} free ports in a row from {base}", "从 {base} 起没有连续 {count} 个空闲端口"),
    ("http address {host}:{port}: {reason}", "HTTP 地址 {host}:{port}：{reason}"),
    (
        "log_level: got {level}, want debug, info, warning or error",
        "log_level：为 {level}，应为 debug、info、warning 或 error",
    ),
    ("{path}: chain_id: got {got}, its facts give {want}", "{path}：chain_id 为 {got}，按其内容应为 {want}"),
    ("{genesis}: the data of this home belong to another chain", "{genesis}：此目录的数据属于另一条链"),
    ("accounts: {account} appears twice", "accounts：{account} 出现两次"),
    (
        "the applications of this release are not those of the genesis: got hash {got}, want {want}",
        "此版本的应用与创世不同：摘要为 {got}，应为 {want}",
    ),
    # A node that is asked.
    ("{url}: no answer in {seconds} s", "{url}：{seconds} 秒内没有应答"),
    ("{url}: the answer is not JSON, is this a node?", "{url}：应答不是 JSON，这是节点吗？"),
    ("{url}: the answer is not an object, is this a node?", "{url}：应答不是对象，这是节点吗？"),
    ("status {status} without a problem document", "状态 {status}，没有问题说明"),
    ("{what}; it may have been taken", "{what}；交易可能已被接受"),
    ("transaction {tx} is still {state}", "交易 {tx} 仍为 {state}"),
    ("transaction {tx} failed at height {height}", "交易 {tx} 在高度 {height} 执行失败"),
    ("transaction {tx}: not in a committed block of this node", "交易 {tx}：不在此节点已提交的区块中"),
    ("receipt {place}/{index}: not on this node", "回执 {place}/{index}：此节点没有"),
    ("block {height}: not on this node", "区块 {height}：此节点没有"),
    ("height 0 is the genesis, see /v1/genesis", "高度 0 为创世，见 /v1/genesis"),
    ("results of height {height} are certified by the next block", "高度 {height} 的结果由下一区块认证"),
    ("state is certified by block 1, which is not committed yet", "状态由区块 1 认证，该区块尚未提交"),
    (
        "state of height {height} is not kept: got heights {oldest} to {newest}",
        "高度 {height} 的状态已不保留：现有 {oldest} 至 {newest}",
    ),
    ("the chain moves faster than this proof is built", "生成证明期间区块增长过快"),
    ("got chain {got}, want {want}", "链为 {got}，应为 {want}"),
    ("the node's genesis hashes to {got}, not {want}", "节点创世的摘要为 {got}，不是 {want}"),
    ("the node is stopping", "节点正在停止"),
    ("the chain has no genesis yet", "链还没有创世"),
    ("catching up at height {height}", "正在追赶，高度 {height}"),
    ("at height {height}", "高度 {height}"),
    ("halted: {reason}", "已停止：{reason}"),
    ("{count} bytes are free", "剩余 {count} 字节"),
    (
        "this node is not a validator and takes no transactions: submit to a validator",
        "此节点不是验证者，不接收交易：请提交给验证者",
    ),
    ("admission is busy", "准入检查繁忙"),
    ("{count} bytes wait already", "已有 {count} 字节在等待"),
    ("too many waiting requests", "等待的请求过多"),
    ("got more than {count} waiting reads", "等待的读取超过 {count} 个"),
    ("got more than {count} streams", "事件流超过 {count} 个"),
    ("the node has no room", "节点已满"),
    ("{count} bytes wait in this gateway", "此网关中有 {count} 字节在等待"),
    ("{count} requests wait for the node", "有 {count} 个请求在等待节点"),
    ("no node can be reached: {reasons}", "没有可连接的节点：{reasons}"),
    ("answer is not one of a node: {reason}", "应答不是节点的：{reason}"),
    ("event stream: a line over {count} bytes", "事件流中一行超过 {count} 字节"),
    ("no transaction {index} at height {height}", "高度 {height} 没有第 {index} 笔交易"),
    # Requests.
    ("{what}: unknown parameter", "{what}：没有这个参数"),
    ("limit: got {got}, want 1 to {most}", "limit：为 {got}，应为 1 至 {most}"),
    ("keys: got {got}, want 1 to {most}", "键为 {got} 个，应为 1 至 {most}"),
    ("more than {count} lines", "超过 {count} 行"),
    ("cursor: not one of this list's", "cursor：不是此列表的游标"),
    (
        "{what}: got {got}, want height.tx_index.event_index such as {example}",
        "{what}：为 {got}，应为 高度.交易序号.事件序号，如 {example}",
    ),
    ("{what}: got {got} characters, want {want}", "{what}：为 {got} 个字符，应为 {want}"),
    ("{what}: got {got}, want {want}", "{what}：为 {got}，应为 {want}"),
    ("{what}: got {got}, want 0 to {most}", "{what}：为 {got}，应为 0 至 {most}"),
    ("payload: got {got} bytes, want at most {most}", "载荷为 {got} 字节，最多 {most}"),
    ("got more than {count} bytes, want at most {most}", "超过 {count} 字节，最多 {most}"),
    ("got {got} transactions, want at most {most}", "为 {got} 笔交易，最多 {most}"),
    ("got more than {count} transactions, want at most {most}", "超过 {count} 笔交易，最多 {most}"),
    ("got an empty batch, want at least one transaction", "批量为空，至少一笔交易"),
    ("body: got no bytes, want a signed transaction", "请求体为空，应为已签名的交易"),
    ("body: got no bytes, want a proof bundle", "请求体为空，应为证明文件"),
    ("tx: got neither hexadecimal nor base64", "tx：既不是十六进制，也不是 base64"),
    ("Content-Type: got {got}, want {binary} or {json}", "Content-Type 为 {got}，应为 {binary} 或 {json}"),
    ("JSON: nested deeper than {count}, or brackets do not match", "JSON：嵌套超过 {count} 层，或括号不配对"),
    ("JSON: {reason}", "JSON 有误：{reason}"),
    ("want exactly one of payload and payload_hex", "payload 与 payload_hex 应给且只给一个"),
    ("action: got {got}", "没有动作 {got}"),
    (
        "payload: got {kind} in {field}, want a keyed reference or a commitment",
        "载荷的 {field} 中有 {kind}，应改为带密钥的引用或承诺",
    ),
    ("application {application}: not on this chain", "应用 {application}：此链上没有"),
    ("query: {application}.{query}", "没有查询 {application}.{query}"),
    ("query {application}.{query}: its answer is no JSON", "查询 {application}.{query}：结果不是 JSON"),
    ("arguments: got {got} bytes, want ≤ {most}", "参数为 {got} 字节，最多 {most}"),
    ("{application}: {count} queries are waiting", "{application}：已有 {count} 个查询在等待"),
    ("{application}: no turn within {seconds} s", "{application}：{seconds} 秒内没有轮到"),
    ("{application}: its process does not start", "{application}：其进程无法启动"),
    ("format: {application} does not read {format}", "{application} 不支持格式 {format}"),
    ("signer: got none, give one to the client or to the call", "没有签名者：在客户端或本次调用中给出"),
    ("file: got neither a file nor a digest", "文件与摘要均未给出"),
    ("file: got neither a file nor a computed hash", "文件与其摘要均未给出"),
    ("digest: not the file's hash", "摘要与文件不符"),
    ("algorithm: got {got}, want one of {known}", "算法为 {got}，应为 {known} 之一"),
    ("proposal: {number} was never made", "没有提案 {number}"),
    # Proofs and certificates.
    ("proof bundle: {what} belongs to another chain", "证明文件：{what} 属于另一条链"),
    ("neither a certificate of evidence nor a page that carries one", "既不是存证证明书，也不是含有它的页面"),
    ("page: the certificate inside is no base64", "页面中的证明书不是 base64"),
    ("record {digest} of {owner}: not in certified state", "{owner} 的存证 {digest}：不在已认证的状态中"),
    ("case {case}: the record was not submitted to it", "事务 {case}：没有提交过这份存证"),
    ("certificate: nothing is proven", "证明书没有证明任何内容"),
    ("page: longer than {count} bytes", "页面超过 {count} 字节"),
    # Plugins: the vendor.
    (
        "{path}: no folder hn_<name> with hnplugin.toml here or above",
        "{path}：此处及上级都没有含 hnplugin.toml 的目录 hn_<名称>；新建：hnnode plugin new NAME",
    ),
    (
        "{name}: want a lower-case name of letters, digits and _, at most 32 characters",
        "{name}：名称应为小写字母、数字和 _，最多 32 个字符",
    ),
    ("{name}: the name is reserved", "{name}：名称已被保留"),
    ("{text}: want one line without quotes, backslashes and @", "{text}：应为一行，不含引号、反斜杠和 @"),
    ("{folder}: not an empty folder", "{folder}：不是空目录"),
    ("template {got}: want one of {known}", "没有模板 {got}，应为 {known} 之一"),
    ("{path}: no tests", "{path}：没有测试"),
    ("{path}: pytest found no test", "{path}：pytest 没有找到测试"),
    ("pytest: want it beside hnnode: {python} -m pip install pytest", "缺少 pytest：{python} -m pip install pytest"),
    ("{path}: not what an earlier run recorded: {reason}", "{path}：不是先前运行的记录：{reason}"),
    ("{path}: want a line `metered = false` under [code]", "{path}：[code] 下应有一行 `metered = false`"),
    (
        "{root}: found {count} folders hn_<name> with {manifest}, want 1",
        "{root}：有 {count} 个含 {manifest} 的目录 hn_<名称>，应为 1 个",
    ),
    ("{path}: plugin.name: got {got}, the folder is {folder}", "{path}：plugin.name 为 {got}，而目录为 {folder}"),
    ("{name}: {package}/__init__.py is missing", "{name}：缺少 {package}/__init__.py"),
    ("{name}: {path} does not belong into a plugin's package", "{name}：{path} 不应在插件包中"),
    (
        "{name}: METADATA or entry_points.txt say something else than the manifest",
        "{name}：METADATA 或 entry_points.txt 与清单不一致",
    ),
    ("{package}: got {got} files, want ≤ {most}", "{package}：有 {got} 个文件，最多 {most}"),
    ("{package}: got more than {most} bytes of code", "{package}：代码超过 {most} 字节"),
    ("plugin {name}: registered no action", "插件 {name}：没有登记任何动作"),
    ("plugin {name}: the name is taken", "插件 {name}：名称已被占用"),
    ("plugin {name}: cannot be imported: {kind}: {reason}", "插件 {name}：无法导入：{kind}：{reason}"),
    ("plugin {name}: its files changed: got {got}, want {want}", "插件 {name}：文件已变化：摘要为 {got}，应为 {want}"),
    ("plugin {name}: {module}: no such module", "插件 {name}：没有模块 {module}"),
    ("plugin {name}: import {module}: not for plugins", "插件 {name}：插件不得 import {module}"),
    (
        "plugin {name}: from {module} import {item}: not for plugins",
        "插件 {name}：插件不得 from {module} import {item}",
    ),
    ("plugin {name}: loading it takes more than {most} ticks", "插件 {name}：加载超过 {most} 步"),
    ("workload: {application} has none called {flavour}", "{application} 没有名为 {flavour} 的负载"),
    # Plugins: the operator.
    (
        "plugin {name}: found {count}, want 1 (installed: {installed})",
        "插件 {name}：找到 {count} 个，应为 1 个（已安装：{installed}）",
    ),
    (
        "plugin {name}: the chain names version {chain}, the code {code}",
        "插件 {name}：链上为版本 {chain}，代码为 {code}",
    ),
    (
        "plugin {name}: the proposal names state version {proposal}, the code {code}",
        "插件 {name}：提案的数据版本为 {proposal}，代码为 {code}；对它投反对票：--reject",
    ),
    (
        "plugin {name}: no migration leads from state version {now} to {code}",
        "插件 {name}：没有从数据版本 {now} 到 {code} 的迁移",
    ),
    (
        "{package}: its files changed after installation: got hash {got}, want {want}; remove {folder} and install the wheel again",
        "{package}：安装后文件被改动：摘要为 {got}，应为 {want}；删除 {folder} 后重新安装",
    ),
    (
        "plugin {name}: this machine cannot isolate it: no {lacking} (execution.sandbox = \"best\" goes on without)",
        "插件 {name}：本机无法隔离它：缺少 {lacking}（execution.sandbox = \"best\" 时不强制）",
    ),
    ("{path}: public_key: {reason}", "{path}：public_key 有误：{reason}"),
    ("{name}: {info}/{path} is missing", "{name}：缺少 {info}/{path}"),
    ("{name}: {path} is there twice", "{name}：{path} 出现两次"),
    ("{name}: {path} is not a regular file", "{name}：{path} 不是普通文件"),
    ("{name}: path {path} is not a plain path inside the wheel", "{name}：路径 {path} 不是包内的普通路径"),
    ("{name}: {path}: got {got} bytes, the directory says {want}", "{name}：{path} 为 {got} 字节，目录中为 {want}"),
    ("{name}: {path}: larger than {most} bytes", "{name}：{path} 超过 {most} 字节"),
    ("{name}: unpacks to more than {most} bytes", "{name}：解开后超过 {most} 字节"),
    ("{name}: got {count} RECORD files, want 1", "{name}：有 {count} 个 RECORD，应为 1 个"),
    ("{name}: RECORD is too long", "{name}：RECORD 过长"),
    ("{name}: RECORD names {path} twice", "{name}：RECORD 中 {path} 出现两次"),
    ("{name}: found {count} {manifest}, want 1", "{name}：有 {count} 个 {manifest}，应为 1 个"),
    (
        "{name}: {path}: plugin.name: got {got}, which is not its folder's",
        "{name}：{path} 的 plugin.name 为 {got}，与目录名不同",
    ),
    ("sbom.cdx.json: bomFormat: want CycloneDX", "sbom.cdx.json：bomFormat 应为 CycloneDX"),
    ("signatures: got {got}, want ≤ {most}", "签名有 {got} 个，最多 {most}"),
    ("signatures.json: got {got} signatures, want ≤ {most}", "signatures.json：签名有 {got} 个，最多 {most}"),
    # What ends a plugin's process, and a migration.
    ("its code does not answer", "其代码没有应答"),
    ("no answer within {seconds} s", "{seconds} 秒内没有应答"),
    ("more than {seconds} s of processor time for one request", "一次请求用了超过 {seconds} 秒处理器时间"),
    ("{got} bytes of memory, want ≤ {most}", "占用内存 {got} 字节，应不超过 {most}"),
    ("killed by signal {number}", "已被信号 {number} 终止"),
    ("left with code {number}", "已退出，返回值 {number}"),
    ("still running", "仍在运行"),
    ("the code of the migration failed", "迁移代码出错"),
    ("a page takes more than {most} steps", "一页所需步数超过 {most}"),
    ("a page never ended and the validators skipped it", "有一页始终不结束，验证者已签名跳过"),
    # Skip records.
    (
        "block {height} does not wait here: it was executed, or is not the block at hand",
        "区块 {height} 不在此等待：已经执行，或不是当前区块",
    ),
    (
        "block {height} has {count} skip records; skip all transactions of the application instead",
        "区块 {height} 已有 {count} 条跳过记录；请改为跳过该应用的全部交易（--all）",
    ),
    ("nothing of {application} hangs here at block {height} as it says", "本节点上 {application} 在区块 {height} 没有如其所述挂起的交易"),
    ("block {height} was executed here without the record", "区块 {height} 已在本节点执行，未用此记录"),
    ("this node is no validator", "本节点不是验证者"),
    (
        "this node signs nothing about block {height}: its data were reset or its consensus log was lost, and it may have "
        "told results of the block before; the other validators sign",
        "本节点不对区块 {height} 签名：其数据曾被重置或共识日志已丢失，此前可能已给出过该区块的结果；请由其他验证者签名",
    ),
    ("skip record: of another block (height={height})", "跳过记录属于另一区块（高度 {height}）"),
    ("skip record: got chain {got}, want {want}", "跳过记录：链为 {got}，应为 {want}"),
    ("skip record: {account} is no validator, or stands there twice", "跳过记录：{account} 不是验证者，或出现两次"),
    ("skip record: signature of {account}", "跳过记录：{account} 的签名不对"),
    ("skip record: got power {got}, want at least {want}", "跳过记录：投票权合计 {got}，至少应为 {want}"),
    ("skip record: got {got} bytes, want at most {most}", "跳过记录为 {got} 字节，最多 {most}"),
    ("skip records: they are not about one transaction of one block and chain", "这些跳过记录不是针对同一条链、同一区块的同一笔交易"),
)  # fmt: skip

_CHECKER = (
    ("Object missing required field `{field}`", "缺少字段 {field}"),
    ("Object contains unknown field `{field}`", "没有字段 {field}"),
    ("Expected `{want}`, got `{got}`", "应为 {want}，实为 {got}"),
    ("Expected `{want}` >= {least}", "应不小于 {least}"),
    ("Expected `{want}` <= {most}", "应不大于 {most}"),
    ("Expected `{want}` of length >= {least}", "长度应不小于 {least}"),
    ("Expected `{want}` of length <= {most}", "长度应不大于 {most}"),
    ("Expected `{want}` matching regex {pattern}", "应符合格式 {pattern}"),
    ("Invalid enum value {got}", "没有取值 {got}"),
    ("JSON is malformed: {reason}", "JSON 有误：{reason}"),
)
"""What the checker of documents (msgspec) says of configuration, manifests and payloads."""
_PLACED = (
    ("{path}: {reason} - at `{place}`", "{path}：{place} 处：{reason}"),
    ("{reason} - at `{place}`", "{place} 处：{reason}"),
)
"""Those of them that say where: tried first."""
_SYSTEM = {
    "No such file or directory": "没有这个文件或目录",
    "Permission denied": "没有权限",
    "Is a directory": "是目录",
    "Not a directory": "不是目录",
    "File exists": "文件已存在",
    "No space left on device": "磁盘已满",
    "Read-only file system": "文件系统只读",
    "Address already in use": "地址已被占用",
    "Cannot assign requested address": "本机没有这个地址",
    "Connection refused": "连接被拒绝",
    "Connection reset by peer": "连接被对方断开",
    "Network is unreachable": "网络不可达",
    "timed out": "超时",
    "a citizen identity number": "身份证号",
    "a mobile number": "手机号",
    "a bank card number": "银行卡号",
    "a text": "文本",
}
"""Short reasons: what the operating system says, and what was found."""
_NUMBERED = re.compile(r"\[Errno -?[0-9]+\] ")
_SAID = ("reason", "what", "kind", "field")
"""Holes in which a detail of its own may stand."""
_HOLE = re.compile(r"\\{([a-z0-9_]+)\\}")


def rows() -> tuple[tuple[str, str], ...]:
    """(English, Chinese) of every text of the product that is known."""
    return _ROWS


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The rows, those with the most text of their own first."""
    longest = sorted(_ROWS + _CHECKER, key=lambda row: -len(_HOLE.sub("", re.escape(row[0]))))
    return tuple(
        (re.compile(_HOLE.sub(r"(?P<\1>.+?)", re.escape(en)), re.DOTALL), zh) for en, zh in (*_PLACED, *longest)
    )


def in_chinese(detail: str, depth: int = DEPTH_MAX) -> str:
    """The detail in Chinese; as it is when nothing here knows it, or when it is longer than any of these."""
    if len(detail) > CHARS_MAX or not depth:
        return detail
    for pattern, zh in _patterns():
        found = pattern.fullmatch(detail)
        if found is not None:
            told = found.groupdict()
            return zh.format(
                **{name: in_chinese(told[name], depth - 1) if name in _SAID else told[name] for name in told}
            )
    head, colon, reason = detail.partition(": ")
    if colon and (said := in_chinese(reason, depth - 1)) != reason:
        return f"{head}：{said}"
    return system_reason(detail)


def system_reason(text: str) -> str:
    """What the operating system says, in Chinese; any other text as it is."""
    return _SYSTEM.get(_NUMBERED.sub("", text), text)
