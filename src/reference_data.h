/*
 * reference_data.h: what the CSVs of data/ become when the extension is built.
 *
 * data/compile.pl reads the CSVs and writes reference_data.c: each file as a
 * table of strings (shown as a SQL table by CREATE EXTENSION) and, for the
 * generators, as typed constant arrays with integer weights.
 */
#ifndef HOSPITAL_REFERENCE_DATA_H
#define HOSPITAL_REFERENCE_DATA_H

#include "random.h"

/* ---- every CSV, as it is, for SQL ---- */
typedef struct ReferenceTable
{
	const char *name;			/* the file's name without .csv */
	int			ncolumns;
	int			nrows;
	const char *const *columns; /* ncolumns names */
	const char *const *cells;	/* nrows * ncolumns; NULL for an empty field */
} ReferenceTable;

extern const ReferenceTable reference_tables[];
extern const int reference_table_count;

/* ---- strings that become column values; all others point here by number ---- */
typedef struct PoolString
{
	const char *text;
	uint16		length;
} PoolString;

extern const PoolString pool_strings[];
extern const int pool_string_count;

/* ---- the age and sex pyramid, laid out as one block of people ---- */
#define BLOCK_BITS 12
#define BLOCK_PEOPLE (1 << BLOCK_BITS)	/* people of a block */
#define BLOCK_COUNT_BITS 14				/* a city has 2^14 blocks at the most */
#define AGE_BANDS 17					/* 0-4, 5-9, ... 75-79, 80-104 */
#define AGE_YEARS 105
#define AGE_UNIT_BITS 14				/* a band's ages are 2^14 equal shares */

typedef struct BlockSlot
{
	uint16		household;		/* of the block, from 0 */
	uint16		ordinal;		/* among the slots of this sex and band, from 0 */
	uint8		band;
	uint8		female;			/* 1 or 0 */
	uint8		member;			/* place in the household, 0 = its head */
	uint8		size;			/* people in the household */
} BlockSlot;

/*
 * One block: households are contiguous and in a shuffled order; the number of
 * slots of each sex and band is the pyramid's share, rounded to 1/4096.
 */
extern const BlockSlot block_slots[BLOCK_PEOPLE];
extern const int block_household_count;
extern const uint16 block_household_start[];	/* first slot of each household */
extern const uint16 band_slot_count[AGE_BANDS][2];	/* [band][female] */

/*
 * Within a band, the share of each single year of age: age y takes the units
 * age_unit_start[y] .. age_unit_start[y+1]-1 of its band's 2^14 (indexed from
 * the band's first year: the entry of a band's first year is 0; entry
 * AGE_YEARS is never read: a band's last year ends at 2^14).
 */
extern const uint16 age_unit_start[AGE_YEARS + 1];
extern const uint8 band_first_age[AGE_BANDS + 1];	/* 0, 5, ... 80, 105 */

/* ---- language, population group, names ---- */
typedef struct LanguageGroup
{
	uint16		language;		/* pool string */
	uint16		group;			/* pool string */
	uint16		group_index;	/* 0 .. GROUPS-1, for suburb_by_group */
	uint16		name_pool;		/* index of name_pools */
	uint16		foreign_name_pool;
	uint32		non_citizen;	/* probability / 2^32 that a household is foreign */
} LanguageGroup;

extern const LanguageGroup language_groups[];
extern const AliasTable language_group_draw;	/* -> language_groups */

#define BIRTH_ERAS 5			/* born <1980, 1980-89, 1990-95, 1996-99, >=2000 */

typedef struct NamePool
{
	AliasTable	first_lists;	/* -> first_name_lists */
	AliasTable	last_lists;		/* -> last_name_lists */
} NamePool;

extern const NamePool name_pools[];
/* [list][female][era] -> pool string */
extern const AliasTable first_name_draw[][2][BIRTH_ERAS];
/* [list] -> pool string */
extern const AliasTable last_name_draw[];

/* ---- where they come from ---- */
typedef struct Nationality
{
	uint16		country;		/* pool string: ISO 3166-1 alpha-2 */
	uint16		alpha3;			/* pool string, for asylum permits */
	/*
	 * The form of a passport number: capitals and digits stand for
	 * themselves, '@' a letter A-Z, '#' a digit, '(ABC)' one of those
	 * letters.  Each form has at least 2^26 numbers.
	 */
	const char *passport;
} Nationality;

extern const Nationality nationalities[];
extern const AliasTable nationality_draw[]; /* [name pool] -> nationalities */

/* ---- where they live ---- */
typedef enum SuburbKind
{
	SUBURB_TOWNSHIP,
	SUBURB_INFORMAL,
	SUBURB_INNER_CITY,
	SUBURB_SUBURB
} SuburbKind;

typedef struct Suburb
{
	uint16		name;			/* pool string */
	uint16		postal_code;	/* pool string */
	uint8		kind;			/* SuburbKind */
	uint32		uninsured;		/* probability / 2^32 */
} Suburb;

extern const Suburb suburbs[];
#define POPULATION_GROUPS 4
extern const AliasTable suburb_by_group[POPULATION_GROUPS]; /* -> suburbs */
extern const AliasTable street_by_kind[4];	/* [SuburbKind] -> pool string */

/* ---- telephones ---- */
extern const AliasTable phone_prefix_draw;	/* -> pool string of 3 or 4 digits */

/* ---- the hospital for 1,100 beds ---- */
typedef struct Ward
{
	const char *code;
	const char *name;
	const char *department;
	const char *type;
	const char *sex;			/* M, F or X */
	const char *age_group;
	int			beds;
	int			patients_per_nurse_day10;	/* tenths */
	int			patients_per_nurse_night10;
} Ward;

extern const Ward ward_plan[];
extern const int ward_plan_count;

typedef struct StaffRole
{
	const char *role;
	const char *specialty;
	const char *category;		/* medical, nursing, allied, admin, support */
	const char *department;		/* department_code of the post's department, or NULL */
	const char *ward_scope;		/* which wards this post may staff; see data/README.md */
	int			headcount;		/* filled posts per 1,000 beds */
	const char *registration;	/* form as for passports: '#', '@', '(…)' */
	const char *shift;			/* code of shifts.csv */
	int			min_start_age;
	int			retire_age;
	uint32		female;			/* probability / 2^32 */
} StaffRole;

extern const StaffRole staff_roles[];
extern const int staff_role_count;

#endif							/* HOSPITAL_REFERENCE_DATA_H */
