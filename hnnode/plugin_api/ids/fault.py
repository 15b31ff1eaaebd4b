"""Why a text is not the identifier it was given for."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong, the first in this order that holds."""

    LENGTH = "length"
    CHARACTER = "character"
    FIELD = "field"
    DATE = "date"
    CHECK = "check"


_TEXTS = {
    Fault.LENGTH: ("长度不对", "wrong length"),
    Fault.CHARACTER: ("含有不允许的字符", "a character that is not allowed"),
    Fault.FIELD: ("某一段不在取值范围内", "a part outside its values"),
    Fault.DATE: ("日期不存在", "a date that does not exist"),
    Fault.CHECK: ("校验码不符", "the check character does not fit"),
}


class IdentifierError(ValueError):
    """A text is not the identifier it was given for. The message names the fault and never the text."""

    def __init__(self, name_zh: str, name_en: str, fault: Fault) -> None:
        zh, en = _TEXTS[fault]
        super().__init__(f"{name_en}: {en}")
        self.fault = fault
        self.text_zh = f"{name_zh}：{zh}"
        self.text_en = f"{name_en}: {en}"
