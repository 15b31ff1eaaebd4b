"""行政区划代码 (GB/T 2260): six digits, province, city, county.

Only the province is checked: which counties exist at a height is a matter of a governed registry, not of code.
"""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.plugin_api.ids.ascii import is_digits
from hnnode.plugin_api.ids.fault import Fault, IdentifierError

PROVINCES = {
    "11": "北京市",
    "12": "天津市",
    "13": "河北省",
    "14": "山西省",
    "15": "内蒙古自治区",
    "21": "辽宁省",
    "22": "吉林省",
    "23": "黑龙江省",
    "31": "上海市",
    "32": "江苏省",
    "33": "浙江省",
    "34": "安徽省",
    "35": "福建省",
    "36": "江西省",
    "37": "山东省",
    "41": "河南省",
    "42": "湖北省",
    "43": "湖南省",
    "44": "广东省",
    "45": "广西壮族自治区",
    "46": "海南省",
    "50": "重庆市",
    "51": "四川省",
    "52": "贵州省",
    "53": "云南省",
    "54": "西藏自治区",
    "61": "陕西省",
    "62": "甘肃省",
    "63": "青海省",
    "64": "宁夏回族自治区",
    "65": "新疆维吾尔自治区",
    "71": "台湾省",
    "81": "香港特别行政区",
    "82": "澳门特别行政区",
}
"""Names of the provinces by their first two digits."""


@dataclass(frozen=True, slots=True)
class Region:
    """`city` and `county` are full codes: `410100` and `410105`; of a province both end in zeros."""

    code: str

    @property
    def province(self) -> str:
        return self.code[:2] + "0000"

    @property
    def city(self) -> str:
        return self.code[:4] + "00"

    @property
    def county(self) -> str:
        return self.code

    @property
    def province_zh(self) -> str:
        return PROVINCES[self.code[:2]]


def _fault(text: str) -> Fault | None:
    if len(text) != 6:
        return Fault.LENGTH
    if not is_digits(text):
        return Fault.CHARACTER
    return None if text[:2] in PROVINCES else Fault.FIELD


def is_region(text: str) -> bool:
    """Region code of an existing province."""
    return _fault(text) is None


def parse_region(text: str) -> Region:
    """Raises IdentifierError."""
    if (fault := _fault(text)) is not None:
        raise IdentifierError("行政区划代码", "region code", fault)
    return Region(text)
