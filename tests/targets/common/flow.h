/* What the journeys programs share and the profiler must not see: rows and their memory, what becomes of each row (known from its
 * number alone, so that every language and every run does the same), queues, batches, the threads, and their part of the truth log.
 * No function of this file is a stage. */
#ifndef STAIN_FLOW_H
#define STAIN_FLOW_H

#include "harness.h"

#ifdef __cplusplus
extern "C" {
#endif

enum scenario {
    HANDOVER, FILTER, SPLIT, BATCH, ERRORS, NESTED, STEAL, SEND, RECEIVE
};

/* Stages of the journeys programs in the truth log, beside those of enum truth_stage. */
enum flow_stage {
    TRUTH_NODE_PUT = 70, /* row -> node; the row is freed */
    TRUTH_NODE_TAKE = 71,
    TRUTH_BUFFER_FILL = 72, /* node -> buffer; the node is freed */
    TRUTH_BUFFER_WRITTEN = 73,
    TRUTH_FORK = 74, /* the branch comes to be; `record` is the branch's */
    TRUTH_BATCH_ADD = 75,
    TRUTH_BATCH_MERGE = 76, /* a batch is put into another one; a row for each record of it */
    TRUTH_BATCH_SEAL = 77,  /* a row for each record of the batch, as below */
    TRUTH_BATCH_WRITTEN = 78,
    TRUTH_ERROR = 79,
    TRUTH_WRITE_OK = 80, /* at the return */
    TRUTH_WRITE_FAILED = 81,
    TRUTH_SCOPE_OPEN = 82,
    TRUTH_SCOPE_CLOSE = 83,
    TRUTH_INNER = 84,
    TRUTH_RECURSE = 85,
    TRUTH_NOTE = 86, /* within a scope, no output */
    TRUTH_STEAL = 87,
    TRUTH_SEND = 88,
    TRUTH_RECEIVE = 89,
};

enum { TABLE_BYTES = 72, BATCH_LIMIT = 64, BATCH_BYTES_ROWS = 256 };

/* What carries a record. A node and a buffer begin with one, so that a hand-over is a copy, and any of them names the record. */
struct row {
    struct row *link;    /*   0: next free block */
    uint64_t seq;        /*   8: number at its source, from 1 */
    uint64_t source;     /*  16 */
    uint64_t uid;        /*  24: source << 40 | seq */
    uint64_t path;       /*  32: see struct truth_row */
    int64_t event_ms;    /*  40: since the epoch */
    int64_t event_ns;    /*  48: the same moment */
    int32_t status;      /*  56: 0, 5, 7 or -1 */
    uint32_t table_len;  /*  60 */
    const char *table;   /*  64: own_table */
    char own_table[TABLE_BYTES]; /* 72: with a NUL at its end */
    uint32_t children;   /* 144: branches made of it so far */
    uint32_t step;       /* 148: how often something was done to it */
    uint64_t hops;       /* 152 */
};

struct node { struct row row; uint64_t hops; };
struct buffer { struct row row; uint64_t bytes; };

/* 64 rows at most as they are added one by one; more when batches are put into it. */
struct batch {
    struct batch *link;
    uint64_t id; /* from 1, never used again */
    uint64_t size, limit, sealed;
    struct row rows[BATCH_BYTES_ROWS];
};

/* ---- memory: what was given back last is handed out first, most of the time, whatever it was ---- */

void *block_take(void);
void block_give(void *block);
struct batch *batch_take(void);
void batch_give(struct batch *batch);

/* ---- rows, and what becomes of them ---- */

struct row *flow_row(uint32_t source, uint64_t seq);
/* A branch of the row, the next one. */
struct row *flow_child(struct row *parent);
/* Carries the record over to another block. */
void flow_copy(struct row *to, const struct row *from);

enum filter { FILTER_PASS, FILTER_CLOSE, FILTER_FREE };
enum filter flow_filter(const struct row *row);
/* By functions that open and close a scope, rather than by a call. */
int flow_by_hand(const struct row *row);
int flow_vanishes(const struct row *row);
struct split { uint32_t children, goes_on; };
struct split flow_split(const struct row *row);
/* 0: the row itself goes into a batch. */
uint32_t flow_batch_children(const struct row *row);
enum fault { FAULT_NOT, FAULT_ROUTED, FAULT_RETURNED };
enum fault flow_fault(const struct row *row);
enum nest {
    NEST_INNER,          /* an inner transform makes the output */
    NEST_OWN,            /* the inner one makes none, the outer one does */
    NEST_SILENT,         /* neither does */
    NEST_RECURSE,        /* recursion; the deepest makes the output */
    NEST_RECURSE_SILENT,
    NEST_OTHER,          /* another row is worked on in the midst */
    NEST_LEFT_HERE,      /* the inner one is left by a far jump that the outer one catches, and the outer one makes the output */
    NEST_LEFT_ERROR,     /* both are left; an error */
    NEST_LEFT_RETRY,     /* both are left a few times, then done */
    NEST_LEFT_VANISH,    /* both are left, and the row is forgotten */
};
enum nest flow_nest(const struct row *row);
/* How deep the recursion goes, or how often it is tried again. */
uint32_t flow_depth(const struct row *row);
/* Whether the batch is put into a bigger one. */
int flow_merges(const struct batch *batch);

/* ---- the truth log ---- */

/* Opens a row of the log for a call that has the record in `object`, and reads the clock last. Close with truth_end. */
struct truth_row *flow_begin(uint32_t stage, const struct row *row, const void *object);
/* The same for a call within which other stages come: the callee says when it was entered. */
void flow_enter(uint32_t stage, const struct row *row, const void *object);
void flow_entered(void);
struct truth_row *flow_add(const struct row *row, const struct batch *batch);
/* A call that had the whole batch, from before_ns to now. */
void flow_members(uint32_t stage, const struct batch *batch, uint64_t before_ns);
/* The same for a call that has put the small batch behind the `before` rows of the big one. */
void flow_merged(const struct batch *big, const struct batch *small, uint64_t before, uint64_t before_ns);
/* What no stage function knows: TRUTH_SILENT, TRUTH_FILTERED, TRUTH_SPLIT. */
void flow_fact(uint32_t stage, const struct row *row);

/* ---- threads and what is between them ---- */

struct queue;
void queue_put(struct queue *queue, void *item);
/* The next item; NULL when the queue is empty and no writer is left. */
void *queue_get(struct queue *queue);
/* As above, but NULL when it is empty. */
void *queue_try(struct queue *queue);

/* A thread's place in the flow. */
struct seat {
    uint32_t number, depth;
    struct queue *in, *out;
    uint64_t calls;
    void *jump; /* where a far jump goes to, if the language has them */
};
typedef void (*body)(struct seat *seat);
/* What a language has to bring along: what the threads of each kind do until there is no more to do. */
struct bodies {
    body source, sink;
    body carrier, buffer_sink; /* hand-over */
    body filter, split;
    body batcher, writer; /* batches; the first batcher is the timer, below */
    body fallible, nested;
    body thief; /* stealing: source, worker and sink in one */
    body receiver;
};
/* The whole program but for the stages: options, threads, go, end. The scenario says which bodies stand in a row. */
void flow_main(int argc, char **argv, const struct bodies *bodies);

/* The batch that rows are added to. Between lock and unlock it is the caller's. */
struct batch *batcher_lock(void);
/* The batch if it is full now: then the next one is begun. */
struct batch *batcher_unlock(void);
/* Passes on what is there, now and then. */
void batcher_timer(struct seat *seat);

/* Tasks of a thread. */
void deque_push(uint32_t owner, struct row *row);
/* Whether the owner has few. */
int deque_wants(uint32_t owner);
/* The owner's last one, or another's first one, in turns; NULL when all are empty. Says whose it was. */
struct row *deque_next(uint32_t owner, uint32_t *whose);
/* Whether any row is between its first push and `deque_done`, or any source has not ended. */
int deque_busy(void);
void deque_begin(void);
void deque_done(void);
void deque_source_done(void);

/* The FIFO of --pipe. */
void pipe_send(const struct row *row);
/* False at its end. */
int pipe_receive(struct row *row);

#ifdef __cplusplus
}
#endif
#endif
