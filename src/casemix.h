/*
 * casemix.h: the diagnoses that patients come with, and what each asks for.
 */
#ifndef HOSPITAL_CASEMIX_H
#define HOSPITAL_CASEMIX_H

#include "postgres.h"

#include "fixed.h"
#include "random.h"
#include "records.h"

#define AGE_GROUPS 7			/* <1, 1-4, 5-14, 15-24, 25-44, 45-64, 65+ */
extern const uint8 age_group_first[AGE_GROUPS + 1];

/* How most come who are admitted with a code. */
typedef enum Way
{
	WAY_ED,
	WAY_ELECTIVE,
	WAY_MATERNITY,
	WAY_OPD
} Way;

/* Where something is asked for. */
typedef enum Setting
{
	SETTING_IN,					/* on admission */
	SETTING_DAY,				/* on each later day of a stay */
	SETTING_ED,
	SETTING_OPD,
	SETTINGS
} Setting;

#define CASE_INJURY		0x0001
#define CASE_HIV		0x0002
#define CASE_TB			0x0004
#define CASE_COVID		0x0008
#define CASE_MEASLES	0x0010
#define CASE_CHOLERA	0x0020
#define CASE_BURN		0x0040
#define CASE_PERINATAL	0x0080	/* a newborn's condition */
#define CASE_PREGNANCY	0x0100
#define CASE_PAEDIATRIC	0x0200
#define CASE_MALNUTRITION 0x0400
#define CASE_NOTIFIABLE	0x0800
#define CASE_ABORTION	0x1000
#define CASE_ASSAULT	0x2000	/* sexual */
#define CASE_CANCER		0x4000
#define CASE_ELECTIVE_CS 0x8000
#define CASE_PNEUMONIA	0x10000
#define CASE_POSTPARTUM	0x20000	/* also CASE_PREGNANCY */

typedef struct Request
{
	uint16		what;			/* a panel or a fee */
	uint32		probability;	/* millionths */
} Request;

typedef struct RequestList
{
	int			count;
	Request    *requests;
} RequestList;

typedef struct MedicineChoice
{
	uint16		medicine;
	uint32		upto;			/* cumulative weight */
} MedicineChoice;

typedef struct CaseCode
{
	RecText		icd;
	RecText		description;
	int			department;		/* of departments[] */
	Way			way;
	char		sex;			/* M, F or B */
	int			min_age;
	int			max_age;
	uint32		male;			/* millionths */
	uint32		ages[AGE_GROUPS];	/* cumulative weights of admissions and visits */
	int64		admissions;		/* a year at 1,000 beds, hundredths */
	int64		ed_visits;		/* not admitted */
	int64		opd_visits;
	LogNormal	stay;			/* days */
	int64		mean_stay;		/* 16.16 days */
	uint32		mortality;		/* millionths */
	int			season;
	uint32		icu;
	uint32		theatre;
	uint32		flags;
	uint32		delivers;		/* millionths: the admission ends in a birth */
	uint32		caesarean;
	int			clinic_weeks;	/* between appointments */
	int			clinic_visits;	/* before the patient is discharged from the clinic */
	int			class_rank;		/* of surgery, 0 to 3 */
	RequestList labs[SETTINGS];
	RequestList treatments[SETTINGS];
	int			medicine_count;
	MedicineChoice *medicines;
} CaseCode;

typedef struct Department
{
	const char *code;
	RecText		code_text;
	const char *group;
	bool		medicine;		/* group Medicine: its children lie in Paediatrics */
	int			for_children;	/* department of patients below 13 */
} Department;

typedef struct LabTest
{
	RecText		code;
	RecText		name;
	RecText		unit;			/* no data: qualitative */
	RecText		specimen;
	int64		low;			/* 10^-4 */
	int64		high;
	int			scale;
	bool		qualitative;
} LabTest;

typedef struct LabPanel
{
	const char *name;
	int			count;
	uint16		tests[8];
} LabPanel;

typedef struct Medicine
{
	RecText		id;
	char		atc[8];
	int			molecule;		/* the same for all of one ATC code */
	int64		pack_price;		/* cents of 2025/26 */
	int			pack_units;		/* thousandths of a unit a pack holds */
	int			level;			/* 0 PHC, 1 hospital, 2 tertiary */
	int			first_form;		/* of dosage_forms */
	int			forms;
	uint32		form_weight;	/* their sum */
	bool		chronic;		/* taken for weeks */
	bool		prescribed;		/* to patients, by name */
	const char *indications;	/* prefixes of codes, separated by semicolons */
	uint32		demand;			/* weight */
} Medicine;

typedef struct Dosage
{
	RecText		text;
	uint32		weight;
	int			units;			/* a day, thousandths */
} Dosage;

typedef struct Fee
{
	RecText		code;
	RecText		description;
	const char *group;
	int64		price[5];		/* H0 H1 H2 H3 P, cents of 2024/25 */
} Fee;

typedef struct Comorbidity
{
	RecText		icd;
	RecText		description;
	char		sex;
	uint32		prevalence[AGE_GROUPS]; /* millionths */
	bool		hiv;
	int			code;			/* of codes[]; -1: none */
} Comorbidity;

typedef struct ExternalCause
{
	RecText		icd;
	RecText		description;
	const char *mechanism;
	uint32		share;			/* millionths */
	uint32		male;
} ExternalCause;

typedef struct CaseMix
{
	int			code_count;
	CaseCode   *codes;
	int			department_count;
	Department *departments;
	int			test_count;
	LabTest    *tests;
	int			panel_count;
	LabPanel   *panels;
	int			medicine_count;
	Medicine   *medicines;
	Dosage	   *dosages;
	int			fee_count;
	Fee		   *fees;
	int			comorbidity_count;
	Comorbidity *comorbidities;
	int			cause_count;
	ExternalCause *causes;
	int			molecule_count;
	/* [molecule * molecule_count + molecule]: 0 none, 1 minor or moderate, 2 major, 3 contraindicated */
	uint8	   *interactions;

	/* numbers that are asked for often */
	int			emergency;		/* departments */
	int			obstetrics;
	int			neonatology;
	int			intensive_care;
	int			paediatric_intensive_care;
	int			born_here;		/* code of a healthy newborn */
} CaseMix;

/* Parsed once a process; it depends on the reference data alone. */
extern const CaseMix *casemix(void);

extern int	department_number(const char *code);
extern int	fee_number(const char *code);

/* The department that treats a patient with the code. */
extern int	case_department(const CaseCode *code, int age_years, int age_days);

extern int	age_group_of(int age_years);

#endif							/* HOSPITAL_CASEMIX_H */
