/*
 * day_people.c: the day's registrations and changes of staff.
 */
#include "postgres.h"

#include "day_private.h"
#include "patients.h"
#include "workforce.h"

#define FOLDER_BITS 26			/* as many as a city has people */
#define FOLDER_SALT UINT64CONST(0x464F4C44)

static RecText
copy_string(const char *string)
{
	RecText		text = {pstrdup(string), (uint32) strlen(string)};

	return text;
}

static void
make_registration(DayBuilder *b, const RegistrationPlan *plan)
{
	static const RecText classes[5] = {
		REC_TEXT_CONST("H0"), REC_TEXT_CONST("H1"), REC_TEXT_CONST("H2"), REC_TEXT_CONST("H3"),
		REC_TEXT_CONST("P")
	};
	static const RecText origins[4] = {
		REC_TEXT_CONST("city"), REC_TEXT_CONST("born here"), REC_TEXT_CONST("born elsewhere"),
		REC_TEXT_CONST("outside")
	};
	static const char *const schemes[4] = {"DH", "GE", "BO", "MM"};
	static const RecText blood_types[BLOOD_GROUPS] = {
		REC_TEXT_CONST("O+"), REC_TEXT_CONST("A+"), REC_TEXT_CONST("B+"), REC_TEXT_CONST("O-"),
		REC_TEXT_CONST("A-"), REC_TEXT_CONST("B-"), REC_TEXT_CONST("AB+"), REC_TEXT_CONST("AB-")
	};
	Registration *r = add_record(b, KIND_REGISTRATIONS);
	RandomBlock random = random_block(b->seed, RANDOM_PATIENT, (uint64) plan->person.id, 1);
	int			class = patient_class(b->seed, plan->person.id);

	population_describe(&b->population, plan->person.id, plan->has_newcomer ? &plan->newcomer : NULL, r);
	r->blood_type = blood_types[blood_group(b->seed, plan->person.id)];

	/* the folder is the person's for life: the number scrambled, or a newcomer's own */
	r->folder_no = plan->has_newcomer ? copy_string(psprintf("JN" INT64_FORMAT, plan->person.id)) :
		copy_string(psprintf("JH%08u", permute_bits((uint32) plan->person.id - 1, FOLDER_BITS, mix64(b->seed ^ FOLDER_SALT))));
	r->insurance_id.data = NULL;
	if (class == 4 && random.v[1] < 0xA0000000U)
		r->insurance_id = copy_string(psprintf("%s%09u", schemes[random.v[2] >> 30],
											   random_below(random.v[3], 1000000000)));
	r->patient_class = classes[class];
	r->origin = origins[plan->has_newcomer ? plan->origin : 0];
	r->first_seen_on = plan->first_seen;
	r->deceased_at = plan->died == 0 ? REC_NULL8 : plan->died;
}

static int
compare_people(const void *a, const void *b)
{
	const RegistrationPlan *x = *(const RegistrationPlan *const *) a;
	const RegistrationPlan *y = *(const RegistrationPlan *const *) b;

	return x->person.id < y->person.id ? -1 : x->person.id > y->person.id;
}

/*
 * In order of person.  Somebody who is met and dies on one day is one record,
 * the death's; no two of a day have the same person.
 */
void
make_registrations(DayBuilder *b)
{
	int			n = b->plan->registration_count;
	const RegistrationPlan **list = palloc(Max(n, 1) * sizeof(RegistrationPlan *));

	for (int i = 0; i < n; i++)
		list[i] = &b->plan->registrations[i];
	qsort(list, n, sizeof(*list), compare_people);
	for (int i = 0; i < n; i++)
	{
		if (i + 1 < n && list[i + 1]->person.id == list[i]->person.id)
		{
			/* the one with the death stands for both */
			if (list[i]->died != 0)
				list[i + 1] = list[i];
			continue;
		}
		make_registration(b, list[i]);
	}
	pfree(list);
}

/* ---- staff ---- */

static void
add_change(DayBuilder *b, const Workforce *w, int staff, RecText change, int replaces)
{
	const StaffRole *role = post_role(w, w->staff[staff].post);
	StaffChange *c = add_record(b, KIND_STAFF_CHANGES);

	c->staff_id = staff + 1;
	c->changed_on = b->day;
	c->change = change;
	c->role.data = role->role;
	c->role.length = (uint32) strlen(role->role);
	if (role->department != NULL)
		c->department_code = b->departments[department_number(role->department)];
	c->replaces_staff_id = replaces < 0 ? REC_NULL8 : replaces + 1;
}

/* Who begins on the day, and whose first day not at work it is. */
void
make_staff_changes(DayBuilder *b)
{
	const Workforce *w = on_duty_workforce(b->duty);

	for (int i = 0; i < w->staff_count; i++)
	{
		const StaffMember *m = &w->staff[i];

		if (m->leaves == b->day)
			add_change(b, w, i, m->leaves == m->retires ? REC_TEXT_CONST("retired") :
					   workforce_has_term(w, i) ? REC_TEXT_CONST("term ended") : REC_TEXT_CONST("left"), -1);
		if (m->hired == b->day)
			add_change(b, w, i, REC_TEXT_CONST("hired"), m->replaces);
	}
}
