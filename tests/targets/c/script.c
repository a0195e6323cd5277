/* Does what a script says, step by step: one step at a time, each on the thread it names, with stage calls on a few objects that are
 * used again and again. The truth log has a row for each step, with the step's number from 1 as `seq`. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stages.h"

enum step_code {
    EMIT, TAKE, PUT, ALIAS, NODE, FORK, OPEN, CLOSE, CALL, KEEP_CALL, PLAIN_CALL, RETURN, LEAVE, NOTE, DONE,
    ADD, MERGE, SEAL, FLUSH, WRITE, FREE, ERROR, NODE_WRITE, DIE,
};

struct step {
    uint32_t thread, code;
    uint32_t object; /* which row, node or batch; how many calls a LEAVE leaves */
    uint32_t second; /* which node or batch */
};

/* A step's stage in the truth log is this and its code. */
enum { FIRST_STEP = 100 };
enum { THREADS = 4, OBJECTS = 16, NESTED_CALLS = 64 };

static const struct step *steps;
static uint64_t step_count;
static struct row rows[OBJECTS];
static struct node nodes[OBJECTS];
static struct batch batches[OBJECTS];

/* Whose turn it is: `turn` is the step that is next, or being done. */
static uint64_t turn;
static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed[THREADS] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER,
                                               PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};

struct player { struct seat seat; uint32_t calls; jmp_buf jumps[NESTED_CALLS]; };

static const struct step *next_step(const struct player *player) {
    uint32_t me = player->seat.number;
    pthread_mutex_lock(&turn_lock);
    while (turn < step_count && steps[turn].thread != me)
        pthread_cond_wait(&turn_changed[me], &turn_lock);
    const struct step *step = turn < step_count ? &steps[turn] : NULL;
    pthread_mutex_unlock(&turn_lock);
    return step;
}

static void step_done(const struct player *player) {
    pthread_mutex_lock(&turn_lock);
    turn += 1;
    for (uint32_t i = 0; i < THREADS; i++)
        if (turn == step_count || (steps[turn].thread == i && i != player->seat.number))
            pthread_cond_signal(&turn_changed[i]);
    pthread_mutex_unlock(&turn_lock);
}

/* ---- stages that only a script has; their bodies touch nothing that another step may still need ---- */

STAGE void row_output(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 4;
    KEEP(row);
}

STAGE void node_alias(struct node *node, struct row *row) {
    tally(&row->hops);
    node->hops += 1;
    KEEP(node);
}

STAGE void batch_count(struct batch *batch, struct row *row) {
    tally(&row->hops);
    batch->sealed += 1;
    KEEP(batch);
}

STAGE void row_drop(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 5;
    KEEP(row);
}

STAGE void node_written(struct seat *seat, struct node *node) {
    tally(&seat->calls);
    node->hops += 6;
    KEEP(node);
}

/* ---- the interpreter ---- */

static struct truth_row *entering[THREADS];

static const void *object_of(const struct step *step) {
    switch (step->code) {
    case NODE: case NODE_WRITE: return &nodes[step->object];
    case MERGE: case SEAL: case FLUSH: return &batches[step->object];
    case LEAVE: return NULL;
    default: return &rows[step->object];
    }
}

static struct truth_row *log_step(const struct step *step) {
    struct truth_row *entry =
        truth_open(FIRST_STEP + step->code, step->thread, (uint64_t)(step - steps) + 1, object_of(step));
    if (!entry)
        return NULL;
    if (step->code == ADD || step->code == MERGE)
        entry->holder = (uint64_t)(uintptr_t)&batches[step->second];
    entry->before_ns = clock_ns();
    return entry;
}

static void interpret(struct player *player);
static void begin_thread(uint32_t number);

/* Within whatever calls it is in: another thread has its number from now on. */
static void die(struct player *player) {
    uint32_t number = player->seat.number;
    /* First, or the new thread takes this very step for its own. */
    step_done(player);
    begin_thread(number);
    pthread_exit(NULL);
}

static STAGE void inside(struct player *player) {
    truth_end(entering[player->seat.number]);
    step_done(player);
    interpret(player);
    KEEP(player);
}

/* A scope for as long as the call. */
STAGE void call_row(struct seat *seat, struct row *row) {
    tally(&row->hops);
    inside((struct player *)seat);
    KEEP(seat);
}

/* The same; one that may close without an output. */
STAGE void keep_call_row(struct seat *seat, struct row *row) {
    tally(&row->hops);
    inside((struct player *)seat);
    KEEP(row);
}

/* No stage, only deeper in the stack. */
STAGE void plain_call(struct seat *seat) {
    tally(&seat->calls);
    inside((struct player *)seat);
    KEEP(seat);
}

/* Ends with the RETURN or LEAVE that ends the call; that is the step that is done then. */
static STAGE void enter(struct player *player, const struct step *step) {
    /* So that the stages it calls are entered deeper in the stack than those that `stage` calls: the model knows that. */
    char room[256];
    KEEP(room);
    struct row *row = &rows[step->object];
    entering[step->thread] = log_step(step);
    if (player->calls == NESTED_CALLS)
        harness_fail("too deep", "script");
    uint32_t depth = player->calls++;
    if (setjmp(player->jumps[depth]) == 0) {
        if (step->code == CALL)
            call_row(&player->seat, row);
        else if (step->code == KEEP_CALL)
            keep_call_row(&player->seat, row);
        else
            plain_call(&player->seat);
    }
    player->calls = depth;
}

static STAGE void stage(struct player *player, const struct step *step) {
    struct seat *seat = &player->seat;
    struct row *row = &rows[step->object];
    struct node *node = &nodes[step->object];
    struct batch *batch = &batches[step->object];
    switch (step->code) {
    case EMIT: row_emit(row, seat); break;
    case TAKE: row_take(seat, row); break;
    case PUT: row_output(seat, row); break;
    case ALIAS: node_alias(&nodes[step->second], row); break;
    case NODE: node_take(seat, node); break;
    case FORK: row_fork(&rows[step->second], row); break;
    case OPEN: scope_open(seat, row); break;
    case CLOSE: scope_close(seat); break;
    case NOTE: scope_note(seat); break;
    case DONE: transform_done(seat); break;
    case ADD: batch_count(&batches[step->second], row); break;
    case MERGE: batch_merge(&batches[step->second], batch); break;
    case SEAL: batch_seal(seat, batch); break;
    case FLUSH: batch_written(seat, batch); break;
    case WRITE: row_written(seat, row); break;
    case FREE: row_drop(seat, row); break;
    case ERROR: row_error(seat, row); break;
    case NODE_WRITE: node_written(seat, node); break;
    default: harness_fail("unknown step", "script"); break;
    }
}

static void interpret(struct player *player) {
    const struct step *step;
    while ((step = next_step(player))) {
        if (step->code == CALL || step->code == KEEP_CALL || step->code == PLAIN_CALL) {
            enter(player, step);
            step_done(player);
            continue;
        }
        struct truth_row *entry = log_step(step);
        if (step->code == RETURN) {
            truth_end(entry);
            return;
        }
        if (step->code == LEAVE) {
            truth_end(entry);
            longjmp(player->jumps[player->calls - step->object], 1);
        }
        if (step->code == DIE) {
            truth_end(entry);
            die(player);
        }
        stage(player, step);
        truth_end(entry);
        if (step->code == EMIT)
            count_emitted(step->thread);
        step_done(player);
    }
}

static uint32_t finished;
static pthread_cond_t all_finished = PTHREAD_COND_INITIALIZER;

static void *run(void *argument) {
    struct player *player = argument;
    harness_source(player->seat.number);
    harness_await_go();
    interpret(player);
    pthread_mutex_lock(&turn_lock);
    finished += 1;
    pthread_cond_signal(&all_finished);
    pthread_mutex_unlock(&turn_lock);
    return NULL;
}

static void begin_thread(uint32_t number) {
    struct player *player = calloc(1, sizeof *player);
    pthread_t thread;
    if (player)
        player->seat.number = number;
    if (!player || pthread_create(&thread, NULL, run, player) != 0)
        harness_fail("cannot begin a thread", "script");
    pthread_detach(thread);
}

static void read_script(void) {
    struct stat status;
    int file = options.script ? open(options.script, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0 || fstat(file, &status) != 0)
        harness_fail("cannot read the script", options.script ? options.script : "--script is missing");
    step_count = (uint64_t)status.st_size / sizeof(struct step);
    steps = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (steps == MAP_FAILED)
        harness_fail("cannot map the script", options.script);
    if (options.truth_sample != 1)
        harness_fail("wants every step in the truth log", "--truth-sample");
}

int main(int argc, char **argv) {
    harness_start(argc, argv);
    options.sources = THREADS;
    read_script();
    for (uint32_t i = 0; i < THREADS; i++)
        begin_thread(i);
    harness_ready();
    pthread_mutex_lock(&turn_lock);
    while (finished < THREADS)
        pthread_cond_wait(&all_finished, &turn_lock);
    pthread_mutex_unlock(&turn_lock);
    harness_finish();
    return 0;
}
