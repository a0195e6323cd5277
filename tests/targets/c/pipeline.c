/* A pipeline in C: sources -> queue -> workers -> queue -> sink. Its stage functions are real calls with real bodies;
 * nothing in them knows of a profiler. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../common/harness.h"

/* A call that no optimisation between caller and callee may see through. */
#define STAGE __attribute__((noinline, noipa))
#define KEEP(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

struct head { uint64_t magic, uid; };

struct record {
    struct record *link;  /*  0: next in a free list */
    uint64_t seq;         /*  8: number at its source, from 1 */
    uint64_t source;      /* 16 */
    uint64_t uid;         /* 24: source << 40 | seq */
    struct head *head;    /* 32: a pointer to follow: *(*(record + 32) + 8) is the uid again */
    uint32_t len, hops;   /* 40, 44 */
    struct head own_head; /* 48 */
    char payload[64];     /* 64 */
};
_Static_assert(sizeof(struct record) == 128, "specs name these offsets");

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    uint64_t head, count, writers;
    _Atomic uint64_t puts, takes;
    struct record **slots;
};

struct source { uint32_t number; _Atomic uint64_t emitted; };
struct worker { uint32_t number; _Atomic uint64_t entered, done; struct record *current; };
struct sink { _Atomic uint64_t written; uint64_t bytes; };

static struct queue work, output;

/* ---- memory ---- */

static struct pool { pthread_mutex_t lock; struct record *top; } __attribute__((aligned(64))) pools[MAX_SOURCES];

static struct pool *pool_of(uint64_t source) {
    return &pools[options.reuse == REUSE_OWNER ? source : 0];
}

static struct record *allocate(uint32_t source) {
    struct record *record = NULL;
    if (options.reuse != REUSE_MALLOC) {
        struct pool *pool = pool_of(source);
        pthread_mutex_lock(&pool->lock);
        if ((record = pool->top))
            pool->top = record->link;
        pthread_mutex_unlock(&pool->lock);
    }
    if (!record && !(record = malloc(sizeof *record)))
        abort();
    return record;
}

static void release(struct record *record) {
    if (options.reuse == REUSE_MALLOC) {
        free(record);
        return;
    }
    struct pool *pool = pool_of(record->source);
    pthread_mutex_lock(&pool->lock);
    record->link = pool->top;
    pool->top = record;
    pthread_mutex_unlock(&pool->lock);
}

/* ---- queues ---- */

static void put(struct queue *queue, struct record *record) {
    pthread_mutex_lock(&queue->lock);
    while (queue->count == options.queue)
        pthread_cond_wait(&queue->not_full, &queue->lock);
    queue->slots[(queue->head + queue->count) % options.queue] = record;
    if (queue->count++ == 0)
        pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}

static struct record *pop(struct queue *queue) {
    struct record *record = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && queue->writers > 0)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    if (queue->count > 0) {
        record = queue->slots[queue->head];
        queue->head = (queue->head + 1) % options.queue;
        /* Waking writers only at half saves a switch for each record. */
        if (--queue->count == options.queue / 2)
            pthread_cond_broadcast(&queue->not_full);
    }
    pthread_mutex_unlock(&queue->lock);
    return record;
}

/* ---- the stages ---- */

/* A call within each stage, as real ones have: so stage functions have frames. */
static STAGE void tally(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

STAGE void record_emit(struct record *record, struct source *source) {
    tally(&source->emitted);
    record->hops = 1;
    KEEP(record);
}

STAGE void queue_put(struct queue *queue, struct record *record) {
    tally(&queue->puts);
    record->hops += 1;
    put(queue, record);
}

/* The next record, or NULL when the queue is empty and no writer is left. */
STAGE struct record *queue_pop(struct queue *queue) {
    return pop(queue);
}

/* Books a record that came out of a queue. */
STAGE void queue_take(struct queue *queue, struct record *record) {
    tally(&queue->takes);
    record->hops += 1;
    KEEP(record);
}

/* Never looks behind `record`: with --fault-keys it is not always one. */
STAGE void transform_enter(struct worker *worker, struct record *record) {
    tally(&worker->entered);
    worker->current = record;
    KEEP(record);
}

STAGE void transform_done(struct worker *worker, struct record *record) {
    tally(&worker->done);
    worker->current = NULL;
    record->hops += 1;
    KEEP(record);
}

STAGE void sink_done(struct sink *sink, struct record *record) {
    tally(&sink->written);
    sink->bytes += record->len;
    KEEP(record);
}

/* The drop point. Records that were written go another way. */
STAGE void record_free(struct record *record) {
    record->hops = 0;
    release(record);
}

STAGE void record_recycle(struct record *record) {
    record->hops = 0;
    release(record);
}

/* ---- the threads ---- */

/* One stage call between its two clock readings. What names the record is read before it can change hands. */
#define CALL(stage, record, call)                                                                              \
    do {                                                                                                       \
        struct truth_row *row_ = truth_begin(stage, (uint32_t)(record)->source, (record)->seq, record);        \
        call;                                                                                                  \
        truth_end(row_);                                                                                       \
    } while (0)

static void drop(struct record *record) {
    count_dropped((uint32_t)record->source);
    if (!options.drop_silent) {
        CALL(TRUTH_FREE, record, record_free(record));
        return;
    }
    truth_call(TRUTH_SILENT, (uint32_t)record->source, record->seq, record, truth_before());
    release(record);
}

static struct record *new_record(uint32_t source, uint64_t seq) {
    struct record *record = allocate(source);
    record->seq = seq;
    record->source = source;
    record->uid = (uint64_t)source << 40 | seq;
    record->own_head = (struct head){0x5EEDF00D, record->uid};
    record->head = &record->own_head;
    record->len = sizeof record->payload;
    memset(record->payload, (int)('a' + seq % 26), sizeof record->payload);
    return record;
}

static void *run_source(void *argument) {
    struct source *source = argument;
    harness_source(source->number);
    harness_await_go();
    for (uint64_t seq = 1; harness_next(seq - 1); seq++) {
        struct record *record = new_record(source->number, seq);
        CALL(TRUTH_S0, record, record_emit(record, source));
        count_emitted(source->number);
        if (harness_drop(source->number, seq) == DROP_AT_SOURCE)
            drop(record);
        else
            CALL(TRUTH_PUT, record, queue_put(&work, record));
    }
    return NULL;
}

/* A pointer into nothing, a pointer that may not be read, and one that is no address at all. */
static struct record *bogus(uint64_t n) {
    static _Atomic(void *) forbidden;
    if (!forbidden)
        forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    switch (n % 3) {
    case 0: return (struct record *)16;
    case 1: return (struct record *)(void *)forbidden;
    default: return (struct record *)0x8000123456789000u;
    }
}

static struct record *transform(struct worker *worker, struct record *record, enum drop_place place) {
    if (options.fault_keys && worker->entered % 100 == 99) {
        count_bogus();
        transform_enter(worker, bogus(worker->entered / 100));
    }
    CALL(TRUTH_ENTER, record, transform_enter(worker, record));
    for (uint32_t i = 0; i < record->len; i++)
        record->payload[i] ^= 0x20;
    busy(options.work_ns);
    if (place == DROP_AFTER_ENTER)
        return drop(record), NULL;
    CALL(TRUTH_DONE, record, transform_done(worker, record));
    if (place == DROP_AFTER_DONE)
        return drop(record), NULL;
    return record;
}

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    for (;;) {
        uint64_t before_ns = truth_before();
        struct record *record = queue_pop(&work);
        if (!record)
            return NULL;
        truth_call(TRUTH_POP, (uint32_t)record->source, record->seq, record, before_ns);
        CALL(TRUTH_TAKE, record, queue_take(&work, record));
        record = transform(worker, record, harness_drop((uint32_t)record->source, record->seq));
        if (record)
            put(&output, record);
    }
}

static void *run_sink(void *argument) {
    struct sink *sink = argument;
    for (struct record *record; (record = pop(&output));) {
        sink_write(record->payload, record->len);
        CALL(TRUTH_WRITTEN, record, sink_done(sink, record));
        count_written((uint32_t)record->source);
        record_recycle(record);
    }
    return NULL;
}

/* ---- the whole ---- */

static void open_queue(struct queue *queue, uint64_t writers) {
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    queue->writers = writers;
    queue->slots = calloc(options.queue, sizeof *queue->slots);
}

static void join_writers(pthread_t *threads, uint64_t count, struct queue *queue) {
    for (uint64_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&queue->lock);
    queue->writers = 0;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}

int main(int argc, char **argv) {
    static struct source sources[MAX_SOURCES] __attribute__((aligned(64)));
    static struct worker workers[MAX_WORKERS] __attribute__((aligned(64)));
    static struct sink sink;
    pthread_t source_threads[MAX_SOURCES], worker_threads[MAX_WORKERS], sink_thread;

    harness_start(argc, argv);
    for (uint32_t i = 0; i < MAX_SOURCES; i++)
        pthread_mutex_init(&pools[i].lock, NULL);
    open_queue(&work, options.sources);
    open_queue(&output, options.workers);
    pthread_create(&sink_thread, NULL, run_sink, &sink);
    for (uint32_t i = 0; i < options.workers; i++)
        workers[i].number = i, pthread_create(&worker_threads[i], NULL, run_worker, &workers[i]);
    for (uint32_t i = 0; i < options.sources; i++)
        sources[i].number = i, pthread_create(&source_threads[i], NULL, run_source, &sources[i]);
    harness_ready();
    join_writers(source_threads, options.sources, &work);
    join_writers(worker_threads, options.workers, &output);
    pthread_join(sink_thread, NULL);
    harness_finish();
    return 0;
}
