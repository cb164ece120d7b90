/*
 * job.h: the hospital's scheduled jobs.
 *
 * hospital.jobs says what is to be run when, hospital.job_history what became of
 * it.  A job runner (job_runner.c) is a process that looks which jobs are due
 * (job_plan.c), runs one of them, writes down how it went and ends; the launcher
 * starts another when that one has said that the next is due.
 */
#ifndef HOSPITAL_JOB_H
#define HOSPITAL_JOB_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"

#define JOB_MESSAGE_LENGTH 2048

/* A run that has been claimed. */
typedef struct JobRun
{
	int64		run_id;
	char		name[NAMEDATALEN];	/* of the job, clipped */
	char	   *command;
	TimestampTz due_at;
	DateADT		day;
	bool		has_day;
	int64		max_ms;			/* that it may take; 0: any time */
	bool		stays;			/* when the hospital is stopped */
} JobRun;

/* How it ended. */
typedef struct JobOutcome
{
	int64		run_id;			/* 0: nothing to write down */
	const char *state;
	int			sqlstate;		/* 0: no error */
	bool		retry;			/* as often as the job allows */
	char		message[JOB_MESSAGE_LENGTH];	/* empty: none */
} JobOutcome;

/* What there is to do. */
typedef struct JobOutlook
{
	bool		running;		/* the hospital runs */
	bool		events;			/* some jobs wait for days */
	bool		more;			/* further runs could begin now */
	TimestampTz next;			/* NOEND: nothing is due ever */
} JobOutlook;

/*
 * All of these in a transaction of worker_begin.  job_plan writes down which
 * runs have become due, or are over without anybody's having said so, and looks
 * ahead; false when there are no jobs in this database.  job_claim takes one
 * that may begin.
 */
extern bool job_plan(JobOutlook *outlook);
extern bool job_claim(const JobOutlook *outlook, JobRun *run);
extern void job_look_ahead(JobOutlook *outlook);
extern void job_finish(const JobOutcome *outcome);

/* Its process lives, and is at this run; of this database. */
extern bool job_is_running(int64 run_id);

/* The runner's own slot: what it is at, and when the next one is to be started. */
extern void job_note_run(const JobRun *run);
extern void job_hand_over(const JobOutlook *outlook);
extern void job_leave_at(const JobOutlook *outlook);

/* As whom a runner is to connect where this is the tables' owner; in a transaction. */
extern Oid	job_session_role(Oid owner);

/* The scheduler's, in a transaction: there is a hospital; does it run?  And: there is none. */
extern void job_want_runners(bool running);
extern void job_want_no_runners(void);

/* Files have been ingested, and none waits. */
extern void job_note_files(void);

#endif							/* HOSPITAL_JOB_H */
