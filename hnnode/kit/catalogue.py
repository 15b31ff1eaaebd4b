"""Every finding of `hnnode plugin check`: its permanent id, how grave it is, what it means and what to do instead.

Ids are never reused. 1xx packages and imports, 2xx determinism, 3xx state, 4xx privacy, 5xx schemas and migrations.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["error", "warning", "note"]


class RuleInfo(NamedTuple):
    """`zh`, `en`: what is wrong. `remedy_zh`, `remedy_en`: what to do."""

    id: str
    level: Level
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str


_TABLE: tuple[tuple[str, Level, str, str, str, str], ...] = (
    ("HN101", "error", "清单无效", "the manifest is invalid", "按提示修改 hnplugin.toml", "mend hnplugin.toml as it says"),
    ("HN102", "error", "清单与代码不一致", "manifest and code disagree", "两处写同样的值", "write the same in both places"),
    ("HN103", "error", "不能打包的文件", "a file that no package may hold", "只放 .py、.json、.toml", "keep to .py, .json and .toml"),
    ("HN104", "warning", "未计量的代码只能装在运营方自己的环境中", "uncounted code runs only from the operator's own environment", "设 metered = true", "set metered = true"),
    ("HN105", "error", "不在允许清单中的依赖", "a dependency outside the allow-list", "只依赖 hnnode 和 msgspec", "depend on hnnode and msgspec alone"),
    ("HN106", "error", "语法错误", "a syntax error", "改正", "mend it"),
    ("HN110", "error", "导入了不允许的模块", "an import that is not allowed", "使用 hnnode.plugin_api，其余放到 off_chain 模块", "use hnnode.plugin_api; keep the rest in off_chain modules"),
    ("HN111", "error", "导入了 hnnode 的内部模块", "an import of hnnode's inside", "只导入 hnnode.plugin_api", "import hnnode.plugin_api alone"),
    ("HN112", "error", "动态导入", "a dynamic import", "写成普通 import", "write a plain import"),
    ("HN113", "error", "链上模块导入了链下模块", "an on-chain module imports an off-chain one", "只有入口模块可以导入它", "only the entry module may import it"),
    ("HN201", "error", "浮点数", "a float", "用整数：分、克、毫秒、千分之一", "use integers: cents, grams, milliseconds, thousandths"),
    ("HN202", "error", "真除法得到浮点数", "a true division gives a float", "用 // 并说明舍入", "use // and say how it rounds"),
    ("HN203", "error", "结果因主机而异的内置函数", "a built-in whose result differs between hosts", "用明确的字段代替", "use explicit fields instead"),
    ("HN204", "error", "会接触主机或执行代码的内置函数", "a built-in that reaches the host or runs code", "删除", "remove it"),
    ("HN205", "error", "动态属性访问", "dynamic attribute access", "写出属性名", "name the attribute"),
    ("HN206", "error", "访问双下划线属性", "access to a dunder attribute", "用公开的字段", "use public fields"),
    ("HN207", "error", "str.format 与 !r 依赖对象的表示", "str.format and !r depend on how objects show themselves", "用 f-string 写出各字段", "write the fields into an f-string"),
    ("HN208", "error", "遍历集合的顺序因进程而异", "the order of a set differs between processes", "遍历 sorted(…) 或用字典、列表", "iterate over sorted(…), or use a dict or list"),
    ("HN209", "error", "Unicode 表随 Python 版本变化", "Unicode tables change with the Python version", "用 plugin_api.ids.ascii_upper 等 ASCII 函数或带 re.ASCII 的模式", "use ASCII functions such as plugin_api.ids.ascii_upper, or patterns with re.ASCII"),
    ("HN210", "error", "过宽的 except 会把故障变成成功", "a broad except turns a fault into a success", "只捕获预期的异常类型", "catch the type you expect"),
    ("HN211", "error", "缓存跨区块保留数据", "a cache keeps data across blocks", "每次从状态读取", "read the state each time"),
    ("HN212", "error", "模块级可变状态", "mutable state outside the chain's state", "放进状态，或改为常量", "keep it in the state, or make it a constant"),
    ("HN213", "error", "递归", "recursion", "用有上限的循环和显式栈", "use a loop with a bound and a stack of its own"),
    ("HN214", "error", "循环没有可见的上限", "a loop without a visible bound", "用 for … in range(上限)", "use for … in range(bound)"),
    ("HN215", "error", "协程或线程", "coroutines or threads", "处理函数是普通函数", "a handler is a plain function"),
    ("HN216", "warning", "assert 在 -O 下消失", "assert vanishes under -O", "用 tx.require", "use tx.require"),
    ("HN217", "error", "可变的参数默认值", "a mutable default of a parameter", "默认值用 None 或元组", "default to None or a tuple"),
    ("HN218", "error", "析构和属性钩子的时机不确定", "finalizers and attribute hooks run at no certain time", "删除", "remove it"),
    ("HN301", "warning", "读取了未声明的键", "a key is read that the action's keys function does not name", "在 keys 中给出它，使一个区块的键一起读取", "name it in keys, so that a block's keys are read together"),
    ("HN302", "error", "读取了未声明的应用", "another application is read that is not declared", "写进 registry.reads 和清单 [needs] applications", "name it in registry.reads and in [needs] applications"),
    ("HN303", "error", "两次运行结果不同", "two runs came to different results", "找出依赖进程、顺序或内存的代码", "find what depends on process, order or memory"),
    ("HN304", "error", "负载中的交易被拒绝或破坏不变式", "the workload is refused or breaks an invariant", "先让 hnnode plugin test 通过", "make hnnode plugin test pass first"),
    ("HN401", "error", "字段没有隐私级别", "a field without privacy class", "在 [privacy] 中写明 clear、committed 或 encrypted", "name it in [privacy] as clear, committed or encrypted"),
    ("HN402", "warning", "[privacy] 中的字段不存在", "[privacy] names a field that is not there", "删除它", "remove it"),
    ("HN403", "error", "明文自由文本可能含个人信息", "clear free text may hold personal data", "加 pattern 或改为枚举，或只上链摘要", "give it a pattern, make it an enumeration, or keep a hash on chain"),
    ("HN404", "error", "字段名像个人信息，却是明文", "a field that sounds personal is clear", "改为 committed 或 encrypted", "make it committed or encrypted"),
    ("HN405", "error", "committed 字段容得下原文", "a committed field has room for the text itself", "用 64 位十六进制摘要的 pattern", "give it the pattern of a hash, 64 hexadecimal digits"),
    ("HN406", "warning", "明文编号容得下身份证号或手机号，且代码没有检查", "a clear id has room for an identity or mobile number, and nothing checks it", "用 plugin_api.ids.looks_personal 拒绝", "refuse by plugin_api.ids.looks_personal"),
    ("HN501", "error", "插件无法加载", "the plugin cannot be loaded", "按提示修改", "mend what it says"),
    ("HN502", "error", "代码使用了未登记的规则", "a rule is used that is not registered", "用 registry.rule 登记并写中英文文本", "register it with registry.rule and both texts"),
    ("HN503", "warning", "登记的规则从未使用", "a registered rule is never used", "删除它", "remove it"),
    ("HN504", "error", "缺少中文或英文名称", "a Chinese or an English text is missing", "两种语言都写", "write both languages"),
    ("HN510", "error", "版本号没有提高", "the version was not raised", "提高 plugin.version", "raise plugin.version"),
    ("HN511", "error", "状态布局变了而 state_version 没有提高", "the layout of the state changed without a new state_version", "提高 state_version 并写迁移，或把字段带默认值加在末尾", "raise state_version and write a migration, or add the field at the end with a default"),
    ("HN512", "error", "缺少迁移", "a migration is missing", "从 hn_migrations 返回每一步", "return every step from hn_migrations"),
    ("HN513", "warning", "动作或查询不再存在", "an action or query is gone", "先通知使用它的系统", "tell the systems that use it"),
    ("HN514", "warning", "旧的载荷不再被接受", "old payloads are no longer accepted", "新字段给默认值，不收紧旧字段", "give new fields a default, and do not narrow old ones"),
    ("HN515", "error", "比较的包不是同一插件", "the package to compare with is another plugin", "选同一插件的旧包", "choose an older package of this plugin"),
)

RULES: dict[str, RuleInfo] = {row[0]: RuleInfo(*row) for row in _TABLE}
