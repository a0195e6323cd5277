/* Threads of the journeys programs and what lies between them: queues, a batcher, deques for stealing, a pipe. */
#define _GNU_SOURCE
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- queues ---- */

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    uint64_t head, count, writers;
    void **items;
};

static void queue_open(struct queue *queue, uint64_t writers) {
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    queue->writers = writers;
    queue->items = calloc(options.queue, sizeof *queue->items);
}

static void queue_close(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->writers = 0;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}

void queue_put(struct queue *queue, void *item) {
    pthread_mutex_lock(&queue->lock);
    while (queue->count == options.queue)
        pthread_cond_wait(&queue->not_full, &queue->lock);
    queue->items[(queue->head + queue->count) % options.queue] = item;
    if (queue->count++ == 0)
        pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}

static void *first(struct queue *queue) {
    if (queue->count == 0)
        return NULL;
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) % options.queue;
    /* Waking writers only at half saves a switch for each record. */
    if (--queue->count == options.queue / 2)
        pthread_cond_broadcast(&queue->not_full);
    return item;
}

void *queue_get(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && queue->writers > 0)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    void *item = first(queue);
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void *queue_try(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    void *item = first(queue);
    pthread_mutex_unlock(&queue->lock);
    return item;
}

static int queue_over(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    int over = queue->count == 0 && queue->writers == 0;
    pthread_mutex_unlock(&queue->lock);
    return over;
}

/* ---- roles ---- */

/* Threads that take from the role before and give to the role after. `finish` runs when they are done. */
struct role { body run; uint64_t threads; body finish; };

enum { MAX_ROLES = 4 };

struct player { struct seat seat; body run; pthread_t thread; };

static void *play(void *argument) {
    struct player *player = argument;
    player->run(&player->seat);
    return NULL;
}

static void run(const struct role *roles, uint32_t count) {
    static struct player players[MAX_ROLES][MAX_WORKERS];
    static struct queue queues[MAX_ROLES];
    for (uint32_t i = 0; i < count; i++)
        queue_open(&queues[i], roles[i].threads);
    for (uint32_t i = count; i-- > 0;) {
        for (uint32_t n = 0; n < roles[i].threads; n++) {
            struct queue *in = i > 0 ? &queues[i - 1] : NULL;
            players[i][n] = (struct player){{.number = n, .in = in, .out = &queues[i]}, .run = roles[i].run};
            pthread_create(&players[i][n].thread, NULL, play, &players[i][n]);
        }
    }
    harness_ready();
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t n = 0; n < roles[i].threads; n++)
            pthread_join(players[i][n].thread, NULL);
        if (roles[i].finish)
            roles[i].finish(&players[i][0].seat);
        queue_close(&queues[i]);
    }
    harness_finish();
}

/* ---- batches ---- */

static pthread_mutex_t batch_lock = PTHREAD_MUTEX_INITIALIZER;
static struct batch *current;

struct batch *batcher_lock(void) {
    pthread_mutex_lock(&batch_lock);
    if (!current)
        current = batch_take();
    return current;
}

static struct batch *taken(int also_partial) {
    struct batch *batch = current;
    if (!batch || (batch->size < batch->limit && !(also_partial && batch->size > 0)))
        batch = NULL;
    else
        current = NULL;
    pthread_mutex_unlock(&batch_lock);
    return batch;
}

struct batch *batcher_unlock(void) {
    return taken(0);
}

static void batcher_rest(struct seat *seat) {
    pthread_mutex_lock(&batch_lock);
    struct batch *batch = taken(1);
    if (batch)
        queue_put(seat->out, batch);
}

void batcher_timer(struct seat *seat) {
    while (!queue_over(seat->in)) {
        struct timespec pause = {0, 300000};
        nanosleep(&pause, NULL);
        batcher_rest(seat);
    }
}

/* ---- deques ---- */

enum { DEQUE_ROWS = 64, FEW_ROWS = 8 };
static struct deque {
    pthread_mutex_t lock;
    uint64_t head, count;
    struct row *rows[DEQUE_ROWS];
} __attribute__((aligned(64))) deques[MAX_WORKERS];
static _Atomic uint64_t deque_rows, deque_sources;
static pthread_once_t deques_once = PTHREAD_ONCE_INIT;

static void open_deques(void) {
    for (int i = 0; i < MAX_WORKERS; i++)
        pthread_mutex_init(&deques[i].lock, NULL);
    deque_sources = options.workers;
}

static struct deque *locked(uint32_t owner) {
    pthread_once(&deques_once, open_deques);
    pthread_mutex_lock(&deques[owner].lock);
    return &deques[owner];
}

void deque_push(uint32_t owner, struct row *row) {
    struct deque *deque = locked(owner);
    if (deque->count == DEQUE_ROWS)
        harness_fail("full", "deque");
    deque->rows[(deque->head + deque->count++) % DEQUE_ROWS] = row;
    pthread_mutex_unlock(&deque->lock);
}

int deque_wants(uint32_t owner) {
    struct deque *deque = locked(owner);
    int few = deque->count < FEW_ROWS;
    pthread_mutex_unlock(&deque->lock);
    return few;
}

static struct row *last(uint32_t owner) {
    struct deque *deque = locked(owner);
    struct row *row = deque->count ? deque->rows[(deque->head + --deque->count) % DEQUE_ROWS] : NULL;
    pthread_mutex_unlock(&deque->lock);
    return row;
}

static struct row *stolen(uint32_t victim) {
    struct deque *deque = locked(victim);
    struct row *row = NULL;
    if (deque->count) {
        row = deque->rows[deque->head++ % DEQUE_ROWS];
        deque->count--;
    }
    pthread_mutex_unlock(&deque->lock);
    return row;
}

struct row *deque_next(uint32_t owner, uint32_t *whose) {
    static _Thread_local uint64_t turn;
    struct row *row = NULL;
    *whose = owner;
    /* So that there are others with rows of their own. */
    if (++turn % 8 == 0)
        sched_yield();
    /* A thread that has enough of its own does not steal. */
    if ((turn % 2 || !deque_wants(owner)) && (row = last(owner)))
        return row;
    for (uint32_t i = 1; !row && i < options.workers; i++) {
        *whose = (uint32_t)((owner + i) % options.workers);
        row = stolen(*whose);
    }
    if (row)
        return row;
    *whose = owner;
    if (!(row = last(owner)))
        sched_yield();
    return row;
}

int deque_busy(void) {
    pthread_once(&deques_once, open_deques);
    return deque_sources > 0 || deque_rows > 0;
}

void deque_begin(void) {
    deque_rows++;
}

void deque_done(void) {
    deque_rows--;
}

void deque_source_done(void) {
    pthread_once(&deques_once, open_deques);
    deque_sources--;
}

/* ---- the pipe ---- */

static int pipe_file = -1;

static void pipe_open(void) {
    /* For both directions: so the opening waits for nobody. The end is a row without a number. */
    pipe_file = options.pipe ? open(options.pipe, O_RDWR | O_CLOEXEC) : -1;
    if (pipe_file < 0)
        harness_fail("cannot open the pipe", options.pipe ? options.pipe : "--pipe is missing");
}

/* At once: a row is shorter than what a pipe takes whole. */
void pipe_send(const struct row *row) {
    if (write(pipe_file, row, sizeof *row) != sizeof *row)
        harness_fail("cannot write to the pipe", strerror(errno));
}

static void pipe_close(struct seat *seat) {
    (void)seat;
    struct row end = {.seq = 0};
    pipe_send(&end);
}

int pipe_receive(struct row *row) {
    char *bytes = (char *)row;
    for (size_t got = 0; got < sizeof *row;) {
        ssize_t more = read(pipe_file, bytes + got, sizeof *row - got);
        if (more <= 0)
            harness_fail("cannot read from the pipe", strerror(errno));
        got += (size_t)more;
    }
    row->table = row->own_table;
    return row->seq != 0;
}

/* ---- the whole ---- */

#define ROLES(...)                                                                                             \
    do {                                                                                                       \
        const struct role roles[] = {__VA_ARGS__};                                                             \
        run(roles, sizeof roles / sizeof *roles);                                                              \
    } while (0)

void flow_main(int argc, char **argv, const struct bodies *by) {
    harness_start(argc, argv);
    uint64_t workers = options.workers;
    if (options.scenario == STEAL)
        options.sources = workers;
    if (options.scenario == SEND || options.scenario == RECEIVE)
        pipe_open();
    struct role sources = {by->source, options.sources, options.scenario == SEND ? pipe_close : NULL};
    struct role sink = {by->sink, 1, NULL};
    switch (options.scenario) {
    case HANDOVER: ROLES(sources, {by->carrier, workers, NULL}, {by->buffer_sink, 1, NULL}); break;
    case FILTER: ROLES(sources, {by->filter, workers, NULL}, sink); break;
    case SPLIT: ROLES(sources, {by->split, workers, NULL}, {by->split, workers, NULL}, sink); break;
    case BATCH: ROLES(sources, {by->batcher, workers + 1, batcher_rest}, {by->writer, 1, NULL}); break;
    case ERRORS: ROLES(sources, {by->fallible, workers, NULL}); break;
    case NESTED: ROLES(sources, {by->nested, workers, NULL}, sink); break;
    case STEAL: ROLES({by->thief, workers, NULL}); break;
    case SEND: ROLES(sources); break;
    case RECEIVE: ROLES({by->receiver, 1, NULL}); break;
    default: harness_unsupported("--scenario"); break;
    }
}
