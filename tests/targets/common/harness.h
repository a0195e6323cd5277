/* What the target pipelines share and the profiler must not see: options, the go signal, pacing, totals, and the
 * truth log, in which a pipeline writes its own clock readings around each stage call of each record.
 * No function of this file is a stage. */
#ifndef STAIN_HARNESS_H
#define STAIN_HARNESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MAX_SOURCES = 64, MAX_WORKERS = 64 };

/* Stage codes of the truth log. 1..6 and 64 are the profiler's; the others are facts that only the target knows. */
enum truth_stage {
    TRUTH_S0 = 1,
    TRUTH_PUT = 2,
    TRUTH_TAKE = 3,
    TRUTH_ENTER = 4,
    TRUTH_DONE = 5,
    TRUTH_WRITTEN = 6,
    TRUTH_POP = 19,    /* the call of queue_pop that returned the record */
    TRUTH_FREE = 64,   /* dropped by a call of record_free */
    TRUTH_SILENT = 65, /* dropped without a call of any stage function; before == after */
    /* Of the journeys programs, see flow.h: */
    TRUTH_FILTERED = 66, /* its scope closed without an output; before == after */
    TRUTH_SPLIT = 67,    /* its scope closed, and the record goes on as branches only; before == after */
};

enum { TRUTH_TEXT_BYTES = 64 };

/* One call of a stage function for one record. Times are CLOCK_MONOTONIC in ns; after_ns is 0 while the call runs. What follows
 * `position` is 0 where a program has nothing to say. */
struct truth_row {
    uint64_t seq; /* the record's number at its source, from 1 */
    uint32_t source;
    uint32_t tid;
    uint64_t before_ns;
    uint64_t after_ns;
    uint64_t record;   /* address */
    uint32_t stage;    /* enum truth_stage; 0 in a row never used */
    uint32_t position; /* in the batch, from 0 */
    uint64_t path;     /* which branch of the record: an ordinal a byte, the last one lowest; 0: the record itself */
    uint64_t batch;    /* the batch's number in its process, from 1 */
    uint64_t holder;   /* the batch's address */
    int64_t number;    /* the record's status */
    uint64_t size;     /* how many records the call took at once: the batch that went into the other one, or was written */
    int64_t event_ns;  /* the record's own time, since the epoch */
    int64_t wall_ns;   /* CLOCK_REALTIME just before `before_ns` */
    char text[TRUTH_TEXT_BYTES]; /* the first bytes of the record's string; NULs after a shorter one */
};

enum reuse { REUSE_MALLOC = 0, REUSE_SHARED = 1, REUSE_OWNER = 2 };

/* The command line. All u64, so that another language can mirror it. */
struct options {
    uint64_t records;         /* per source; 0: until seconds are over, or the halt */
    uint64_t seconds;         /* sources stop after so long; 0: no limit */
    uint64_t sources;
    uint64_t workers;
    uint64_t queue;           /* capacity of each queue, records */
    uint64_t drop_percent;
    uint64_t drop_silent;     /* 1: a dropped record's memory is reused without any call of record_free */
    uint64_t reuse;           /* enum reuse */
    uint64_t truth_sample;    /* log the records whose seq % truth_sample == 0 */
    uint64_t rate_per_second; /* per source; 0: full speed */
    uint64_t work_ns;         /* busy time in each transform */
    uint64_t wait_for_go;
    uint64_t linger;
    uint64_t exit_at;         /* exit(0) when so many records were emitted, of all sources; 0: never */
    uint64_t crash_at;        /* SIGSEGV likewise */
    uint64_t fault_keys;      /* 1: now and then a stage function gets a pointer that nobody can read */
    uint64_t until_halt;      /* 1: sources stop when told to, at the latest */
    uint64_t scenario;        /* enum scenario of flow.h */
    const char *pipe;         /* a FIFO between two processes */
    const char *script;       /* what to do, step by step */
    const char *turn;         /* a file through which two processes share a script */
    uint64_t part;            /* which of the two, 1 or 2; 0: there is only one */
};
extern struct options options;

/* Where a record is dropped. */
enum drop_place { DROP_NOT = 0, DROP_AT_SOURCE = 1, DROP_AFTER_ENTER = 2, DROP_AFTER_DONE = 3 };

void harness_start(int argc, char **argv);
void harness_unsupported(const char *option);
/* Ends the program with a message. */
void harness_fail(const char *what, const char *operand);
/* Call on each source's own thread before its first record. */
void harness_source(uint32_t source);
/* Says that all threads are there, and waits for the go (a line on stdin, or SIGUSR1); with --until-halt, then for the halt (one more
 * line, or the end of stdin), upon which sources stop. */
void harness_ready(void);
/* Blocks a source until the go. */
void harness_await_go(void);
/* Says "halt", and waits for one more line of stdin. */
void harness_halt(void);
/* Prints the totals and lingers. */
void harness_finish(void);

/* Whether a source that has emitted `emitted` records goes on; waits for the next record's turn. */
int harness_next(uint64_t emitted);
enum drop_place harness_drop(uint32_t source, uint64_t seq);
void count_emitted(uint32_t source);
void count_dropped(uint32_t source);
void count_written(uint32_t source);
void count_bogus(void);
void busy(uint64_t ns);
/* Writes a record's payload to the sink's file, through a buffer of the calling thread. */
void sink_write(const void *bytes, uint64_t len);

uint64_t clock_ns(void);
int64_t wall_clock_ns(void);
/* The reading before something whose record is not known yet; 0 when there is no truth log. */
uint64_t truth_before(void);
/* A finished call that began at `before_ns`. */
void truth_call(uint32_t stage, uint32_t source, uint64_t seq, const void *record, uint64_t before_ns);
/* A row to be filled, whose clocks were not read yet; NULL when this record is not logged. */
struct truth_row *truth_open(uint32_t stage, uint32_t source, uint64_t seq, const void *record);
/* Opens a row and reads the clock last; NULL when this record is not logged. */
struct truth_row *truth_begin(uint32_t stage, uint32_t source, uint64_t seq, const void *record);
/* Reads the clock first and closes the row. */
void truth_end(struct truth_row *row);

#ifdef __cplusplus
}
#endif
#endif
