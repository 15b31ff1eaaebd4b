"""Every error of hnnode: five kinds, one number space, one text in Chinese and English each.

The compiled core uses the same numbers (`hnnode_native.CODES`); `docs/reference/errors.md` is rendered from this table.
A number is never reused.
"""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.details import in_chinese


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """`http` is the status of a problem document with this code; `retryable` tells a client that the same request may succeed later."""

    code: int
    name: str
    http: int
    retryable: bool
    zh: str
    en: str


_TABLE: tuple[tuple[int, str, int, bool, str, str], ...] = (
    (1001, "REQUEST_MALFORMED", 400, False, "请求格式错误", "request is malformed"),
    (1002, "TX_MALFORMED", 400, False, "交易编码错误", "transaction encoding is malformed"),
    (1003, "TX_TOO_LARGE", 413, False, "交易超过长度上限", "transaction exceeds the size limit"),
    (1004, "BODY_TOO_LARGE", 413, False, "请求体超过上限", "request body exceeds the limit"),
    (1005, "NOT_FOUND", 404, False, "未找到", "not found"),
    (1006, "METHOD_NOT_ALLOWED", 405, False, "不支持的请求方法", "method not allowed"),
    (1007, "WRONG_CHAIN", 422, False, "交易属于另一条链", "transaction belongs to another chain"),
    (1008, "BATCH_TOO_LARGE", 413, False, "批量条数超过上限", "too many items in one batch"),
    (1009, "PARAMETER_INVALID", 400, False, "参数无效", "parameter is invalid"),
    (1010, "QUERY_UNKNOWN", 404, False, "没有这个查询", "unknown query"),
    (1011, "QUERY_TOO_BROAD", 422, False, "查询范围过大，请缩小条件", "query is too broad, narrow it"),
    (1012, "TOO_MANY_REQUESTS", 429, True, "请求过于频繁", "too many requests"),
    (1013, "INTERNAL_ERROR", 500, False, "内部错误", "internal error"),
    (1014, "UNAUTHORIZED", 401, False, "未授权", "unauthorized"),
    (2001, "ACCOUNT_UNKNOWN", 403, False, "账户未登记", "account is not registered"),
    (2002, "ACCOUNT_REVOKED", 403, False, "账户已吊销", "account is revoked"),
    (2003, "PUBLIC_KEY_INVALID", 400, False, "公钥无效", "public key is invalid"),
    (2004, "KEY_FILE_INVALID", 400, False, "密钥文件无效", "key file is invalid"),
    (
        2005,
        "KEY_FILE_PERMISSIONS",
        400,
        False,
        "密钥文件权限过宽，应为 600",
        "key file permissions are too open, want 600",
    ),
    (2008, "SIGNATURE_INVALID", 403, False, "签名无效", "signature is invalid"),
    (2009, "SIGNATURE_OUT_OF_RANGE", 403, False, "签名数值超出范围", "signature values are out of range"),
    (3001, "TX_EXPIRED", 409, False, "交易已过期", "transaction has expired"),
    (3002, "MEMPOOL_FULL", 429, True, "交易池已满，请稍后重试", "mempool is full, retry later"),
    (3003, "TX_DUPLICATE", 409, False, "交易重复", "transaction is a duplicate"),
    (3004, "VALIDITY_TOO_FAR", 422, False, "有效高度过远", "valid_until_height is too far ahead"),
    (3005, "BATCH_MALFORMED", 400, False, "批次编码错误", "batch encoding is malformed"),
    (3006, "BATCH_AUTHOR_UNKNOWN", 403, False, "批次作者不是验证者", "batch author is not a validator"),
    (3007, "BATCH_SIGNATURE_INVALID", 403, False, "批次签名无效", "batch signature is invalid"),
    (3008, "BATCH_ROOT_MISMATCH", 400, False, "批次根不一致", "batch root does not match its content"),
    (
        3009,
        "ACCOUNT_QUOTA_EXCEEDED",
        429,
        True,
        "账户在交易池中的配额已用完",
        "account quota in the mempool is used up",
    ),
    (3010, "BATCH_SEQ_INVALID", 400, False, "批次序号未递增", "batch sequence does not rise"),
    (3011, "BATCH_TX_INVALID", 400, False, "批次含无效交易", "batch holds an invalid transaction"),
    (3012, "AUTHOR_QUOTA_EXCEEDED", 429, True, "作者未提交批次过多", "author has too many uncommitted batches"),
    (
        3013,
        "PERSONAL_DATA",
        422,
        False,
        "载荷疑似含身份证号、手机号或银行卡号，未收入交易池",
        "payload looks like it holds an identity, mobile or card number, not pooled",
    ),
    (4001, "RULE_VIOLATION", 422, False, "违反业务规则", "rule violation"),
    (4002, "APPLICATION_UNKNOWN", 422, False, "没有这个应用", "unknown application"),
    (4003, "ACTION_UNKNOWN", 422, False, "没有这个动作", "unknown action"),
    (4004, "PAYLOAD_INVALID", 422, False, "载荷不符合格式", "payload does not match its schema"),
    (4005, "HANDLER_FAILED", 422, False, "应用处理失败", "application handler failed"),
    (4006, "WRITE_LIMIT_EXCEEDED", 422, False, "写入超过上限", "write limits exceeded"),
    (4007, "ROLE_MISSING", 403, False, "账户缺少所需角色", "account lacks the required role"),
    (4008, "UNDECLARED_ACCESS", 422, False, "访问了未声明的键", "undeclared state access"),
    (4009, "PLUGIN_SET_INVALID", 503, False, "插件集合无效", "plugin set is invalid"),
    (4010, "RESULT_INVALID", 422, False, "应用结果无效", "application result is invalid"),
    (4011, "STEPS_EXCEEDED", 422, False, "计算步数超过上限", "more computing steps than a transaction may take"),
    (4012, "APPLICATION_DISABLED", 422, False, "应用已停用", "application is disabled"),
    (4013, "APPLICATION_MIGRATING", 422, False, "应用正在迁移数据", "application is migrating its data"),
    (4014, "PLUGIN_MISSING", 400, False, "缺少应用代码", "plugin code is missing"),
    (4016, "PLUGIN_PACKAGE_INVALID", 400, False, "插件包无效", "plugin package is invalid"),
    (
        4017,
        "HANDLER_SKIPPED",
        422,
        False,
        "应用对该交易一直没有结果，由验证者签署跳过",
        "application never answered, validators signed to skip the transaction",
    ),
    (5001, "PROPOSAL_MALFORMED", 400, False, "提案编码错误", "proposal is malformed"),
    (5002, "HEADER_VERSION", 400, False, "区块头版本错误", "header version is wrong"),
    (5003, "HEADER_HEIGHT", 400, False, "区块高度错误", "header height is wrong"),
    (5004, "HEADER_PROPOSER", 400, False, "提案者错误", "header proposer is wrong"),
    (5005, "HEADER_PARENT", 400, False, "父区块哈希错误", "header parent is wrong"),
    (5006, "HEADER_TIME", 400, False, "区块时间错误", "header time is wrong"),
    (5007, "BATCH_LIST_INVALID", 400, False, "批次列表无效", "batch list is invalid"),
    (5008, "HEADER_BATCHES_ROOT", 400, False, "批次根错误", "header batches root is wrong"),
    (5009, "HEADER_TX_ROOT", 400, False, "交易根错误", "header transaction root is wrong"),
    (5010, "HEADER_VALIDATORS", 400, False, "验证者集合哈希错误", "header validators hash is wrong"),
    (5011, "HEADER_NEXT_VALIDATORS", 400, False, "下一验证者集合哈希错误", "header next validators hash is wrong"),
    (5012, "HEADER_PLUGINS", 400, False, "插件集合哈希错误", "header plugins hash is wrong"),
    (5013, "HEADER_RESULTS", 400, False, "上一区块结果不一致", "header results of the block before are wrong"),
    (5014, "HEADER_CHAIN", 400, False, "区块属于另一条链", "header belongs to another chain"),
    (5020, "CERTIFICATE_MALFORMED", 400, False, "提交证书编码错误", "commit certificate is malformed"),
    (5021, "CERTIFICATE_CHAIN", 400, False, "提交证书属于另一条链", "commit certificate belongs to another chain"),
    (5022, "CERTIFICATE_BLOCK", 400, False, "提交证书不是该区块的", "commit certificate is for another block"),
    (
        5023,
        "CERTIFICATE_SIGNER",
        400,
        False,
        "提交证书含未知或重复签名者",
        "commit certificate has an unknown or repeated signer",
    ),
    (5024, "CERTIFICATE_QUORUM", 400, False, "提交证书未达法定权重", "commit certificate lacks a quorum"),
    (5025, "CERTIFICATE_SIGNATURE", 400, False, "提交证书含无效签名", "commit certificate has an invalid signature"),
    (5030, "MESSAGE_MALFORMED", 400, False, "共识消息编码错误", "consensus message is malformed"),
    (5031, "VOTE_CONFLICTING", 409, False, "投票冲突", "conflicting vote"),
    (5032, "MESSAGE_SIGNER_UNKNOWN", 403, False, "共识消息签名者未知", "consensus message signer is unknown"),
    (5033, "MESSAGE_SIGNATURE", 403, False, "共识消息签名无效", "consensus message signature is invalid"),
    (5034, "MESSAGE_OUT_OF_WINDOW", 400, False, "共识消息超出窗口", "consensus message is out of the window"),
    (
        5040,
        "STATE_ROOT_MISMATCH",
        503,
        False,
        "执行结果与多数不一致，节点停止",
        "results differ from the quorum's, node stops",
    ),
    (5041, "SIGN_GUARD", 503, False, "拒绝签署冲突的投票，节点停止", "refused to sign a conflicting vote, node stops"),
    (
        5042,
        "INVALID_VALUE_DECIDED",
        503,
        False,
        "多数决定了本节点认为无效的区块",
        "a quorum decided a block this node holds invalid",
    ),
    (5043, "CONSENSUS_LOG_CORRUPT", 503, False, "共识日志损坏", "consensus log is corrupt"),
    (5044, "ENGINE_FAILED", 503, False, "共识引擎失败", "consensus engine failed"),
    (5101, "PROOF_MALFORMED", 400, False, "证明文件编码错误", "proof is malformed"),
    (5102, "PROOF_CHAIN", 422, False, "证明属于另一条链", "proof belongs to another chain"),
    (5103, "PROOF_ANCHOR", 422, False, "证明的验证者集合与创世不符", "proof's validator set does not match genesis"),
    (5104, "PROOF_HEADERS", 422, False, "证明的区块头不连续", "proof's headers are not linked"),
    (5105, "PROOF_PATH", 422, False, "证明路径不成立", "proof's path does not lead to the root"),
    (5106, "PROOF_SUBJECT", 422, False, "证明与对象不符", "proof is not about this subject"),
    (6001, "STORAGE_FAILED", 503, False, "存储失败，节点停止", "storage failed, node stops"),
    (6002, "SYNCING", 503, True, "节点正在追赶区块", "node is catching up"),
    (6003, "STORAGE_BEHIND_SIGN_STATE", 503, False, "存储落后于签名状态", "storage is behind the sign state"),
    (6004, "DISK_LOW", 503, True, "磁盘空间不足", "disk space is low"),
    (6005, "DATABASE_LOCKED", 503, False, "数据库被另一进程占用", "database is locked by another process"),
    (6006, "STORAGE_CORRUPT", 503, False, "存储损坏", "storage is corrupt"),
    (6007, "SYNC_PEER_FAULT", 400, False, "同步节点提供了错误数据", "sync peer served wrong data"),
    (6101, "FRAME_MALFORMED", 400, False, "帧格式错误", "frame is malformed"),
    (6102, "FRAME_TOO_LARGE", 413, False, "帧超过上限", "frame exceeds the limit"),
    (6103, "HANDSHAKE_FAILED", 403, False, "握手失败", "handshake failed"),
    (6104, "PEER_UNKNOWN", 403, False, "未知节点", "peer is not known"),
    (6105, "PEER_CHAIN", 403, False, "节点属于另一条链", "peer belongs to another chain"),
    (6106, "PEER_QUOTA_EXCEEDED", 429, True, "节点配额已用完", "peer quota exceeded"),
    (9001, "CONFIG_INVALID", 400, False, "配置无效", "configuration is invalid"),
    (9002, "GENESIS_INVALID", 400, False, "创世文件无效", "genesis file is invalid"),
    (9003, "PORT_BUSY", 503, False, "端口被占用", "port is in use"),
    (9004, "NODE_UNREACHABLE", 503, True, "无法连接节点", "node cannot be reached"),
    (9005, "TIMEOUT", 504, True, "超时，结果未知", "timed out, result unknown"),
    (9006, "PREREQUISITE_MISSING", 400, False, "缺少先决条件", "prerequisite is missing"),
    (9007, "NOT_READY", 503, True, "尚未就绪", "not ready yet"),
)

ERRORS: dict[int, ErrorInfo] = {row[0]: ErrorInfo(*row) for row in _TABLE}
CODES: dict[str, int] = {info.name: info.code for info in ERRORS.values()}


class HnError(Exception):
    """Base of every error that carries a code. Text: "what: got X, want Y (where)".

    zh: the text for people who read Chinese; without it, that of `hnnode.details` stands in.
    """

    def __init__(
        self, name: str, detail: str = "", *, rule: str = "", retry_after_ms: int | None = None, zh: str = ""
    ) -> None:
        self.info = ERRORS[CODES[name]]
        self.code = self.info.code
        self.detail = detail
        self._zh = zh
        self.rule = rule
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{self.info.name} ({self.info.code}): {detail or self.info.en}")

    @property
    def detail_zh(self) -> str:
        """The detail in Chinese; the English one where nobody wrote it."""
        return self._zh or in_chinese(self.detail)


class Rejected(HnError):
    """A request or transaction is refused; the client acts."""


class PeerFault(HnError):
    """A peer sent something bad; network and evidence act."""


class Unavailable(HnError):
    """Overload, catching up, not ready; the caller retries."""


class ConfigError(HnError):
    """Found at start-up only; the operator acts."""


class FatalError(HnError):
    """An invariant or the storage is broken: never caught, the process stops."""


def name_of(code: int) -> str:
    """Name of a code; 0 is OK. Raises KeyError for a number that was never given out."""
    return "OK" if code == 0 else ERRORS[code].name


def invariant(condition: bool, detail: str) -> None:
    """Stop the node when something that must always hold does not (`assert` vanishes under -O)."""
    if not condition:
        raise FatalError("INTERNAL_ERROR", detail)
