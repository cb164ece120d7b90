#!/usr/bin/env python3
"""Check the reference tables of this folder: form, keys, references, sums.

Standard library only.  Run it after any edit; it lists what is wrong and exits
with 1 if anything is.  data/compile.pl asserts what the generators rely on; this
asks whether the tables are sound in themselves and agree with each other.
"""

import collections
import csv
import datetime
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent

tables = {}
failures = []


def check(condition, message):
    if not condition:
        failures.append(message)


# ---- reading ---------------------------------------------------------------

def read_table(path):
    """Rows of a CSV without quoting: compile.pl splits lines at every comma."""
    raw = path.read_bytes()
    name = path.name
    check(b"\r" not in raw, f"{name}: carriage return")
    check(b'"' not in raw, f"{name}: quote")
    check(raw.endswith(b"\n"), f"{name}: no newline at the end")
    try:
        lines = raw.decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError:
        check(False, f"{name}: not UTF-8")
        return []
    commas = lines[0].count(",")
    for number, line in enumerate(lines, 1):
        check(line.count(",") == commas, f"{name}:{number}: number of fields")
    rows = list(csv.DictReader(lines))
    check(bool(rows), f"{name}: empty")
    check(list(rows[0])[-1] == "source", f"{name}: source is not the last column")
    for number, row in enumerate(rows, 2):
        check(row["source"] != "", f"{name}:{number}: no source")
    return rows


# ---- what many tables need -------------------------------------------------

def unique(table, *columns):
    seen = collections.Counter(tuple(row[c] for c in columns) for row in tables[table])
    for key, count in seen.items():
        check(count == 1, f"{table}: {key} is there {count} times")


def sums_to_one(table, column, by=(), tolerance=2e-5):
    sums = collections.defaultdict(float)
    for row in tables[table]:
        sums[tuple(row[c] for c in by)] += float(row[column])
    for key, total in sums.items():
        check(abs(total - 1) <= tolerance, f"{table}.{column} {key}: sums to {total:.6f}")


def values(table, column):
    return {row[column] for row in tables[table]}


def refers(table, column, allowed):
    for row in tables[table]:
        check(row[column] in allowed, f"{table}.{column}: unknown '{row[column]}'")


def matches(table, column, pattern):
    for row in tables[table]:
        check(re.fullmatch(pattern, row[column]), f"{table}.{column}: '{row[column]}'")


def between(table, column, low, high):
    for row in tables[table]:
        check(low <= float(row[column]) <= high, f"{table}.{column}: {row[column]}")


def date(text):
    return datetime.date.fromisoformat(text)


def in_order(table, first="start_date", last="end_date"):
    for row in tables[table]:
        check(date(row[first]) <= date(row[last]), f"{table}: {row[first]} ends before it starts")


# ---- people ----------------------------------------------------------------

def check_population():
    unique("population_gauteng", "age_band", "sex")
    sums_to_one("population_gauteng", "share")
    sums_to_one("population_gauteng", "jhb_share")
    check(len(tables["population_gauteng"]) == 34, "population_gauteng: 17 bands of 2 sexes")


def check_households():
    unique("household_types", "type", "heads", "elders", "adult_relatives", "sharers", "minors")
    for row in tables["household_types"]:
        people = sum(int(row[c]) for c in ("heads", "elders", "adult_relatives", "sharers", "minors"))
        check(1 <= people <= 8, f"household_types: {people} people")
        check(int(row["heads"]) in (1, 2) and int(row["weight"]) > 0, f"household_types: {row['type']}")
        check(row["type"] != "single" or people == 1, "household_types: single of more than one")


def check_languages():
    unique("language_group", "language", "population_group")
    sums_to_one("language_group", "share")
    between("language_group", "non_citizen_share", 0, 1)
    pools = values("name_mix", "name_pool")
    refers("language_group", "name_pool", pools)
    refers("language_group", "foreign_name_pool", pools)


def check_names():
    unique("names_first", "language", "sex", "name")
    unique("names_last", "language", "name")
    sums_to_one("name_mix", "probability", ("name_pool",))
    sums_to_one("surname_mix", "probability", ("name_pool",))
    refers("name_mix", "first_name_pool", values("names_first", "language"))
    refers("surname_mix", "surname_pool", values("names_last", "language"))
    check(values("name_mix", "name_pool") == values("surname_mix", "name_pool"), "name and surname pools differ")
    refers("names_first", "era", {"any", "old", "new"})
    for table in ("names_first", "names_last"):
        matches(table, "name", r"[A-Za-z][A-Za-z' -]*")
        matches(table, "weight", r"[1-9]\d*")
    check_name_counts()


def check_name_counts():
    large = ("isiZulu isiXhosa Sesotho Setswana Sepedi Xitsonga Tshivenda Afrikaans English "
             "Indian_SA Coloured Zimbabwe").split()
    first = collections.Counter((row["language"], row["sex"]) for row in tables["names_first"])
    last = collections.Counter(row["language"] for row in tables["names_last"])
    for language in large:
        for sex in "MF":
            check(first[language, sex] >= 40, f"names_first: few names for {language} {sex}")
        check(last[language] >= 60, f"names_last: few names for {language}")


# What a passport form's parts stand for; see src/reference_data.h.
FORM_PART = re.compile(r"(#)|(@)|\(([A-Z0-9]+)\)|[A-Z0-9]")


def passport_numbers(form):
    count, at = 1, 0
    while at < len(form):
        part = FORM_PART.match(form, at)
        if part is None:
            return 0
        count *= 10 if part[1] else 26 if part[2] else len(set(part[3])) if part[3] else 1
        at = part.end()
    return count


def check_nationalities():
    unique("nationalities", "alpha2")
    unique("nationalities", "alpha3")
    matches("nationalities", "alpha2", r"[A-Z]{2}")
    matches("nationalities", "alpha3", r"[A-Z]{3}")
    for row in tables["nationalities"]:
        check(passport_numbers(row["passport"]) >= 2**26, f"nationalities: {row['country']} has too few passports")
    unique("nationality_mix", "name_pool", "alpha2")
    sums_to_one("nationality_mix", "probability", ("name_pool",), 1e-9)
    refers("nationality_mix", "alpha2", values("nationalities", "alpha2"))
    check(values("nationality_mix", "name_pool") == values("name_mix", "name_pool"), "nationality_mix: pools")


# ---- places and telephones -------------------------------------------------

KINDS = {"township", "informal", "inner_city", "suburb"}
GROUP_COLUMNS = ("black_african", "coloured", "indian_or_asian", "white")


def check_places():
    unique("suburbs", "suburb")
    sums_to_one("suburbs", "population_share")
    between("suburbs", "uninsured_share", 0, 1)
    between("suburbs", "lat", -26.6, -25.8)
    between("suburbs", "lon", 27.7, 28.3)
    matches("suburbs", "postal_code", r"\d{4}")
    refers("suburbs", "region", set("ABCDEFG"))
    refers("suburbs", "kind", KINDS)
    for column in GROUP_COLUMNS:
        matches("suburbs", column, r"[1-9]\d{0,3}")
    unique("streets", "kind", "street")
    refers("streets", "kind", KINDS)
    matches("streets", "street", r"[A-Z1-9][A-Za-z0-9 ]*")
    matches("streets", "weight", r"[1-9]\d*")
    counts = collections.Counter(row["kind"] for row in tables["streets"])
    for kind, least in (("suburb", 120), ("township", 120), ("inner_city", 40), ("informal", 40)):
        check(counts[kind] >= least, f"streets: few for {kind}")


def check_telephones():
    unique("phone_prefixes", "prefix")
    sums_to_one("phone_prefixes", "share")
    matches("phone_prefixes", "prefix", r"0\d{2,3}")


# ---- the hospital ----------------------------------------------------------

def check_wards():
    unique("department_plan", "department_code")
    unique("ward_plan", "ward_code")
    departments = values("department_plan", "department_code")
    refers("ward_plan", "department_code", departments)
    refers("ward_plan", "sex", set("MFX"))
    refers("ward_plan", "age_group", {"adult", "child", "neonate", "all"})
    check(sum(int(row["beds"]) for row in tables["ward_plan"]) == 1100, "ward_plan: beds")
    for department in tables["department_plan"]:
        code = department["department_code"]
        wards = [row for row in tables["ward_plan"] if row["department_code"] == code]
        check(sum(int(row["beds"]) for row in wards) == int(department["beds"]), f"department_plan: beds of {code}")
        check(len(wards) == int(department["ward_count"]), f"department_plan: wards of {code}")
    for row in tables["ward_plan"]:
        check(int(row["isolation_beds"]) <= int(row["beds"]), f"ward_plan: isolation beds of {row['ward_code']}")


def covers(scope, department, ward):
    """May a post with this ward scope staff this ward?  The vocabulary is in README.md."""
    return any(covers_by(part, department, ward) for part in scope.split(";"))


def covers_by(part, department, ward):
    if part == "all":
        return True
    if part == "any":
        return ward["ward_type"] not in ("icu", "labour") and ward["age_group"] != "neonate"
    kind, _, value = part.partition(":")
    if kind == "type":
        return ward["ward_type"] == value
    return kind == "dept" and ward["department_code"] == (department if value == "own" else value)


def known_scopes():
    types = {f"type:{t}" for t in values("ward_plan", "ward_type")}
    departments = {f"dept:{d}" for d in values("department_plan", "department_code")}
    return {"all", "any", "none", "dept:own"} | types | departments


def check_staff():
    unique("staff_roles", "role", "specialty")
    departments = values("department_plan", "department_code")
    refers("staff_roles", "department_code", departments | {""})
    refers("staff_roles", "shift_code", values("shifts", "shift_code"))
    refers("staff_roles", "category", {"medical", "nursing", "allied", "admin", "support"})
    scopes = known_scopes()
    between("staff_roles", "female_share", 0, 1)
    for row in tables["staff_roles"]:
        name = f"staff_roles: {row['role']} {row['specialty']}"
        check(int(row["min_start_age"]) < int(row["retire_age"]) == 65, f"{name}: ages")
        check(int(row["salary_min_zar"]) <= int(row["salary_max_zar"]), f"{name}: salary")
        check(set(row["ward_scope"].split(";")) <= scopes, f"{name}: scope {row['ward_scope']}")
        check(row["ward_scope"] != "dept:own" or row["department_code"] != "", f"{name}: no department of its own")
        check(row["specialty"] not in departments or row["department_code"] == row["specialty"], f"{name}: department")
        check((row["registration_body"] == "none") == (row["registration_regex"] == "none"), f"{name}: council")
        re.compile(row["registration_regex"])
    nurses = [row for row in tables["staff_roles"]
              if row["category"] == "nursing" and row["shift_code"] == "N12D"]
    for ward in tables["ward_plan"]:
        check(any(covers(row["ward_scope"], row["department_code"], ward) for row in nurses),
              f"ward_plan: no nurse may staff {ward['ward_code']}")


def check_diagnoses():
    unique("diagnosis_profile", "icd10")
    matches("diagnosis_profile", "icd10", r"[A-Z]\d\d(\.\d)?")
    refers("diagnosis_profile", "department_code", values("department_plan", "department_code"))
    refers("diagnosis_profile", "stream", {"ED", "ELECTIVE", "MATERNITY", "OPD"})
    check(values("diagnosis_profile", "stream") <= values("transitions", "stream"), "diagnoses: stream without transitions")
    refers("diagnosis_profile", "sex", set("MFB"))
    refers("diagnosis_profile", "season_profile", values("seasonality", "profile"))
    for column in ("male_share", "mortality", "icu_prob", "theatre_prob"):
        between("diagnosis_profile", column, 0, 1)
    bands = [c for c in tables["diagnosis_profile"][0] if c.startswith("adm_") and c != "adm_total"]
    for row in tables["diagnosis_profile"]:
        check(float(row["mean_los_days"]) > 0, f"diagnoses: stay of {row['icd10']}")
        check(int(row["min_age"]) <= int(row["max_age"]), f"diagnoses: ages of {row['icd10']}")
        check(abs(sum(float(row[c]) for c in bands) - float(row["adm_total"])) < 0.2,
              f"diagnoses: age bands of {row['icd10']}")
        check_diagnosis_has_ward(row)


def check_diagnosis_has_ward(row):
    """Somebody of every sex and age a diagnosis may have fits a ward of its department or of the children's."""
    wards = [w for w in tables["ward_plan"] if w["department_code"] == row["department_code"]]
    sexes = "MF" if row["sex"] == "B" else row["sex"]
    for sex in sexes:
        check(any(w["sex"] in ("X", sex) for w in wards), f"diagnoses: no ward for {row['icd10']} {sex}")
    adult_only = row["department_code"] in ("OBS", "GYN", "PSY", "STEP")
    check(not adult_only or int(row["min_age"]) >= 13, f"diagnoses: child with {row['icd10']}")


def check_small_clinical_tables():
    unique("comorbidities", "icd10", "sex")
    for column in tables["comorbidities"][0]:
        if column.startswith("prev_"):
            between("comorbidities", column, 0, 1)
    unique("external_causes", "icd10")
    sums_to_one("external_causes", "share_of_injury_visits", (), 2e-4)
    unique("volumes", "metric")
    unique("targets", "metric", "scope")
    sums_to_one("triage_sats", "share_of_arrivals", (), 0.02)
    unique("transitions", "from_state", "to_state")
    sums_to_one("transitions", "probability", ("from_state",), 1e-9)
    unique("shifts", "shift_code")


# ---- medicines, laboratory, money ------------------------------------------

ANATOMICAL_GROUPS = {
    "A": "Alimentary tract and metabolism", "B": "Blood and blood-forming organs", "C": "Cardiovascular system",
    "D": "Dermatologicals", "G": "Genito-urinary system and sex hormones", "H": "Systemic hormonal preparations",
    "J": "Anti-infectives for systemic use", "L": "Antineoplastic and immunomodulating agents",
    "M": "Musculo-skeletal system", "N": "Nervous system", "P": "Antiparasitic products",
    "R": "Respiratory system", "S": "Sensory organs", "V": "Various",
}


def check_medicines():
    unique("medicines", "medicine_id")
    unique("medicines", "atc", "name", "strength", "form")
    matches("medicines", "atc", r"[A-Z]\d\d[A-Z]{0,2}(\d\d)?")
    matches("medicines", "indication_icd10", r"[A-Z](\d\d?(\.\d)?)?(;[A-Z](\d\d?(\.\d)?)?)*")
    matches("medicines", "nappi", r"(\d{9,10})?")
    matches("medicines", "manufacturer", r"[A-Z][A-Za-z ]+")
    refers("medicines", "stock_class", set("ABC"))
    for row in tables["medicines"]:
        name = row["medicine_id"]
        check(float(row["price"]) > 0 and float(row["unit_price_zar"]) > 0, f"medicines: price of {name}")
        check(row["category"] == ANATOMICAL_GROUPS.get(row["atc"][0]), f"medicines: category of {name}")


def check_interactions():
    stocked = values("medicines", "atc")
    seen = set()
    for row in tables["drug_interactions"]:
        pair = frozenset((row["atc_a"], row["atc_b"]))
        check(len(pair) == 2 and pair not in seen, f"drug_interactions: {sorted(pair)} again")
        check(pair <= stocked, f"drug_interactions: {sorted(pair)} is not stocked")
        seen.add(pair)
    refers("drug_interactions", "severity", {"contraindicated", "major", "moderate", "minor"})


def luhn_digit(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        product = int(digit) * (2 if place % 2 == 0 else 1)
        total += product // 10 + product % 10
    return (10 - total % 10) % 10


def check_laboratory():
    unique("lab_tests", "loinc")
    for row in tables["lab_tests"]:
        number, digit = row["loinc"].split("-")
        check(luhn_digit(number) == int(digit), f"lab_tests: check digit of {row['loinc']}")
        check(float(row["normal_low"]) <= float(row["normal_high"]), f"lab_tests: range of {row['loinc']}")


def check_money():
    unique("tariffs", "fee_code")
    unique("patient_class", "class_code")
    sums_to_one("patient_class", "share")
    unique("free_services", "reason_code")
    in_order("tariff_index")


# ---- time ------------------------------------------------------------------

def check_calendar():
    unique("calendar", "date", "name")
    for row in tables["calendar"]:
        day = date(row["date"])
        check(day.strftime("%A") == row["weekday"], f"calendar: weekday of {row['date']}")
        check(2020 <= day.year <= 2026, f"calendar: {row['date']}")
    in_order("events")


def check_seasons():
    months = collections.defaultdict(list)
    for row in tables["seasonality"]:
        months[row["profile"]].append(float(row["multiplier"]))
    for profile, multipliers in months.items():
        check(len(multipliers) == 12 and abs(sum(multipliers) / 12 - 1) < 2e-4, f"seasonality: {profile}")
    sums_to_one("arrival_profile", "share", ("stream", "kind"))
    for row in tables["influenza_seasons"]:
        known = [date(row[c]) for c in ("start_date", "peak_date", "end_date") if row[c]]
        check(known == sorted(known), f"influenza_seasons: {row['year']}")


def check_covid():
    week = datetime.timedelta(days=6)
    waves = tables["covid_waves"]
    in_order("covid_waves")
    for before, after in zip(waves, waves[1:]):
        check(date(before["end_date"]) + datetime.timedelta(days=1) == date(after["start_date"]),
              f"covid_waves: gap before {after['wave']}")
    for row in waves:
        peak = date(row["peak_week_ending"])
        check(date(row["start_date"]) - week <= peak <= date(row["end_date"]) + week,
              f"covid_waves: peak of {row['wave']}")
    unique("covid_weekly", "week_ending")
    for row in tables["covid_weekly"]:
        check(date(row["week_ending"]).weekday() == 6, f"covid_weekly: {row['week_ending']} is no Sunday")
        check(float(row["gp_admissions_adjusted"]) >= 0, f"covid_weekly: {row['week_ending']}")


# ---- all of it -------------------------------------------------------------

CHECKS = (
    check_population, check_households, check_languages, check_names, check_nationalities, check_places,
    check_telephones, check_wards, check_staff, check_diagnoses, check_small_clinical_tables, check_medicines,
    check_interactions, check_laboratory, check_money, check_calendar, check_seasons, check_covid,
)


def main():
    for path in sorted(FOLDER.glob("*.csv")):
        tables[path.stem] = read_table(path)
    for run in CHECKS:
        run()
    for failure in failures[:100]:
        print(failure)
    rows = sum(len(table) for table in tables.values())
    print(f"{len(tables)} tables, {rows} rows, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
