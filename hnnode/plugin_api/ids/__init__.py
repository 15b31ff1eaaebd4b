"""Checks of public identifiers, over ASCII only.

Of each scheme there are `is_…` and `parse_…`, which gives the parts as a frozen record or raises IdentifierError with the
fault; schemes with a check have a function that computes it. An identifier that passes may still not exist: a registry
decides that.
"""

from hnnode.plugin_api.ids.ascii import ascii_upper, half_width, is_digits
from hnnode.plugin_api.ids.citizen import (
    CitizenNumber,
    citizen_check_character,
    is_citizen_number,
    parse_citizen_number,
)
from hnnode.plugin_api.ids.drug import (
    DrugCode,
    DrugTraceCode,
    is_drug_code,
    is_drug_trace_code,
    parse_drug_code,
    parse_drug_trace_code,
)
from hnnode.plugin_api.ids.education import (
    DegreeNumber,
    DiplomaNumber,
    is_degree_number,
    is_diploma_number,
    parse_degree_number,
    parse_diploma_number,
)
from hnnode.plugin_api.ids.estate import EstateUnit, is_estate_unit, parse_estate_unit
from hnnode.plugin_api.ids.fault import Fault, IdentifierError
from hnnode.plugin_api.ids.gs1 import Gtin, Sscc, gtin_check_digit, is_gln, is_gtin, is_sscc, parse_gtin, parse_sscc
from hnnode.plugin_api.ids.licence import LicenceId, is_licence_id, mod_37_36_check_character, parse_licence_id
from hnnode.plugin_api.ids.organisation import (
    OrganisationCode,
    Uscc,
    is_organisation_code,
    is_uscc,
    organisation_check_character,
    parse_organisation_code,
    parse_uscc,
    uscc_check_character,
)
from hnnode.plugin_api.ids.personal import Personal, find_personal, is_bank_card, is_mobile, looks_personal
from hnnode.plugin_api.ids.project import ProjectCode, is_project_code, parse_project_code
from hnnode.plugin_api.ids.region import PROVINCES, Region, is_region, parse_region

__all__ = [
    "PROVINCES",
    "CitizenNumber",
    "DegreeNumber",
    "DiplomaNumber",
    "DrugCode",
    "DrugTraceCode",
    "EstateUnit",
    "Fault",
    "Gtin",
    "IdentifierError",
    "LicenceId",
    "OrganisationCode",
    "Personal",
    "ProjectCode",
    "Region",
    "Sscc",
    "Uscc",
    "ascii_upper",
    "citizen_check_character",
    "find_personal",
    "gtin_check_digit",
    "half_width",
    "is_bank_card",
    "is_citizen_number",
    "is_degree_number",
    "is_digits",
    "is_diploma_number",
    "is_drug_code",
    "is_drug_trace_code",
    "is_estate_unit",
    "is_gln",
    "is_gtin",
    "is_licence_id",
    "is_mobile",
    "is_organisation_code",
    "is_project_code",
    "is_region",
    "is_sscc",
    "is_uscc",
    "looks_personal",
    "mod_37_36_check_character",
    "organisation_check_character",
    "parse_citizen_number",
    "parse_degree_number",
    "parse_diploma_number",
    "parse_drug_code",
    "parse_drug_trace_code",
    "parse_estate_unit",
    "parse_gtin",
    "parse_licence_id",
    "parse_organisation_code",
    "parse_project_code",
    "parse_region",
    "parse_sscc",
    "parse_uscc",
    "uscc_check_character",
]
