/* Does what a script says, step by step: one step at a time, each on the thread it names, with stage calls on a few objects that are
 * used again and again. The truth log has a row for each step, with the step's number from 1 as `seq`. Two processes may share a script
 * (--turn, --part): then each has half of the threads.
 *
 * Each object begins with a pointer to its name, a number. Where a step says so, that pointer leads nowhere during the step. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stages.h"

enum step_code {
    EMIT, TAKE, PUT, ALIAS, NODE, FORK, OPEN, CLOSE, CALL, KEEP_CALL, PLAIN_CALL, RETURN, LEAVE, NOTE, DONE,
    ADD, MERGE, SEAL, FLUSH, WRITE, FREE, ERROR, NODE_WRITE, DIE, HALT,
};

struct step {
    uint32_t thread, code;
    uint32_t object; /* which row, node or batch; how many calls a LEAVE leaves */
    uint32_t second; /* which node or batch */
    uint32_t value;  /* what the object has during the step */
    uint32_t flaws;  /* enum flaw */
    uint32_t name;   /* what the row is named from now on; 0: as before */
};

/* What cannot be read during a step. */
enum flaw {
    NO_OBJECT = 1, /* the object's name */
    NO_SECOND = 2, /* the second object's name */
    NO_TEXT = 4,   /* the row's string */
    IS_FAR = 8,    /* all that leads nowhere leads to a page that is not there, rather than to address 0 */
};

/* A step's stage in the truth log is this and its code. */
enum { FIRST_STEP = 100 };
enum { THREADS = 4, OBJECTS = 16, NESTED_CALLS = 64 };

static const struct step *steps;
static uint64_t step_count;
static struct row rows[OBJECTS];
static struct node nodes[OBJECTS];
static struct batch batches[OBJECTS];

/* Whose turn it is: `turn` is the step that is next, or being done. Two processes share it in a file. */
static struct turns {
    uint64_t turn;
    pthread_mutex_t lock;
    pthread_cond_t changed[THREADS];
} *turns;

struct player { struct seat seat; uint32_t calls; jmp_buf jumps[NESTED_CALLS + 1]; };

static const struct step *next_step(const struct player *player) {
    uint32_t me = player->seat.number;
    pthread_mutex_lock(&turns->lock);
    while (turns->turn < step_count && steps[turns->turn].thread != me)
        pthread_cond_wait(&turns->changed[me], &turns->lock);
    const struct step *step = turns->turn < step_count ? &steps[turns->turn] : NULL;
    pthread_mutex_unlock(&turns->lock);
    return step;
}

static void step_done(const struct player *player) {
    struct timespec pause = {0, 4000000};
    pthread_mutex_lock(&turns->lock);
    uint64_t next = ++turns->turn;
    /* Every record may be traced: no faster than any machine can write them. */
    if (next % 64 == 0)
        nanosleep(&pause, NULL);
    for (uint32_t i = 0; i < THREADS; i++)
        if (next == step_count || (steps[next].thread == i && i != player->seat.number))
            pthread_cond_signal(&turns->changed[i]);
    pthread_mutex_unlock(&turns->lock);
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

STAGE void row_close(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 7;
    KEEP(row);
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
static const struct step *current[THREADS];

static void *object_of(const struct step *step) {
    switch (step->code) {
    case NODE: case NODE_WRITE: return &nodes[step->object];
    case MERGE: case SEAL: case FLUSH: return &batches[step->object];
    case LEAVE: return NULL;
    default: return &rows[step->object];
    }
}

static void *second_of(const struct step *step) {
    return step->code == ALIAS ? (void *)&nodes[step->second] : (void *)&batches[step->second];
}

/* The name that an object has. All of them begin with a pointer to it. */
static uint64_t name_of(const struct step *step) {
    switch (step->code) {
    case NODE: case NODE_WRITE: return nodes[step->object].row.uid;
    case MERGE: case SEAL: case FLUSH: return batches[step->object].id;
    default: return rows[step->object % OBJECTS].uid;
    }
}

static struct truth_row *log_step(const struct step *step) {
    struct truth_row *entry =
        truth_open(FIRST_STEP + step->code, step->thread, (uint64_t)(step - steps) + 1, object_of(step));
    if (!entry)
        return NULL;
    entry->path = name_of(step);
    if (step->code == ADD || step->code == MERGE) {
        entry->holder = (uint64_t)(uintptr_t)&batches[step->second];
        entry->batch = batches[step->second].id;
    }
    const struct row *row = &rows[step->object % OBJECTS];
    entry->number = row->status;
    memcpy(entry->text, row->own_table, row->table_len < TRUTH_TEXT_BYTES ? row->table_len : TRUTH_TEXT_BYTES);
    entry->before_ns = clock_ns();
    return entry;
}

/* ---- what the objects have during a step ---- */

static const char *const texts[] = {
    "", "orders", "users", "r\xC3\xA9gions", "a name of just sixteen", "line_items", "x",
    "this name has sixty-nine letters and is longer than what can be kept.",
};
static void *nowhere;

static void *lost(const struct step *step) {
    return step->flaws & IS_FAR ? nowhere : NULL;
}

/* The objects of a step as they are at its stage. */
static void dress(const struct step *step) {
    struct row *row = &rows[step->object % OBJECTS];
    row->status = nodes[step->object % OBJECTS].row.status = (int32_t)step->value - 1;
    batches[step->object % OBJECTS].limit = step->value;
    strcpy(row->own_table, texts[step->value % 8]);
    row->table_len = (uint32_t)strlen(row->own_table);
    if (step->name)
        row->uid = step->name;
    /* Each object begins with the pointer to its name. */
    if (step->flaws & NO_OBJECT)
        *(void **)object_of(step) = lost(step);
    if (step->flaws & NO_SECOND)
        *(void **)second_of(step) = lost(step);
    if (step->flaws & NO_TEXT)
        row->table = lost(step);
}

static void name(uint32_t i) {
    rows[i].link = (struct row *)&rows[i].uid;
    nodes[i].row.link = (struct row *)&nodes[i].row.uid;
    batches[i].link = (struct batch *)&batches[i].id;
    rows[i].table = rows[i].own_table;
}

/* All that led nowhere leads to what it led to. */
static void undress(const struct step *step) {
    if (step->flaws & (NO_OBJECT | NO_TEXT))
        name(step->object % OBJECTS);
    if (step->flaws & NO_SECOND)
        name(step->second % OBJECTS);
}

static void name_all(void) {
    nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (nowhere == MAP_FAILED)
        harness_fail("cannot map a page", "script");
    for (uint32_t i = 0; i < OBJECTS; i++) {
        /* The same in every process, and past all numbers of steps. */
        rows[i].uid = 0x10000000u + i;
        nodes[i].row.uid = 0x20000000u + i;
        batches[i].id = 0x30000000u + i;
        name(i);
    }
}

static void interpret(struct player *player);
static void stage(struct player *player, const struct step *step);
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
    undress(current[player->seat.number]);
    step_done(player);
    interpret(player);
    KEEP(player);
}

/* What all calls do, so that each takes as much of the stack as the others: the model knows them by their number alone. */
#define CALL_BODY                     \
    tally(&row->hops);                \
    inside((struct player *)seat);    \
    KEEP(seat);                       \
    KEEP(row)

/* A scope for as long as the call. */
STAGE void call_row(struct seat *seat, struct row *row) {
    CALL_BODY;
}

/* The same; one that may close without an output. */
STAGE void keep_call_row(struct seat *seat, struct row *row) {
    CALL_BODY;
}

/* No stage, only deeper in the stack. */
STAGE void plain_call(struct seat *seat, struct row *row) {
    CALL_BODY;
}

/* Does what a step says. A call ends with the RETURN or LEAVE that ends it; that is the step that is done then. */
static STAGE void enter(struct player *player, const struct step *step) {
    uint32_t depth = player->calls;
    if (step->code == CALL || step->code == KEEP_CALL || step->code == PLAIN_CALL) {
        if (depth == NESTED_CALLS)
            harness_fail("too deep", "script");
        current[step->thread] = step;
        player->calls = depth + 1;
    }
    if (setjmp(player->jumps[depth]) == 0)
        stage(player, step);
    player->calls = depth;
}

/* All stage functions are entered from here, calls that are scopes, too: equally deep in the stack, each from a place of its own. */
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
    case CLOSE: row_close(seat, row); break;
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
    case CALL: call_row(seat, row); break;
    case KEEP_CALL: keep_call_row(seat, row); break;
    case PLAIN_CALL: plain_call(seat, row); break;
    default: harness_fail("unknown step", "script"); break;
    }
    /* No stage is left to return for this function. */
    KEEP(step);
}

static void interpret(struct player *player) {
    const struct step *step;
    while ((step = next_step(player))) {
        dress(step);
        struct truth_row *entry = log_step(step);
        if (step->code == CALL || step->code == KEEP_CALL || step->code == PLAIN_CALL) {
            entering[step->thread] = entry;
            enter(player, step);
            step_done(player);
            continue;
        }
        player->seat.depth = step->value;
        if (step->code == RETURN) {
            truth_end(entry);
            return;
        }
        if (step->code == LEAVE) {
            truth_end(entry);
            longjmp(player->jumps[player->calls - step->object], 1);
        }
        if (step->code == HALT)
            harness_halt();
        if (step->code == DIE) {
            truth_end(entry);
            die(player);
        }
        if (step->code != HALT)
            enter(player, step);
        truth_end(entry);
        undress(step);
        if (step->code == EMIT)
            count_emitted(step->thread);
        step_done(player);
    }
}

static uint32_t finished;
static pthread_mutex_t finished_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_finished = PTHREAD_COND_INITIALIZER;

static void *run(void *argument) {
    struct player *player = argument;
    harness_source(player->seat.number);
    harness_await_go();
    interpret(player);
    pthread_mutex_lock(&finished_lock);
    finished += 1;
    pthread_cond_signal(&all_finished);
    pthread_mutex_unlock(&finished_lock);
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

/* In memory of this process, or in a file that the first part makes. */
static void share_turns(void) {
    int file = options.turn ? open(options.turn, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (options.turn && (file < 0 || ftruncate(file, sizeof *turns) != 0))
        harness_fail("cannot open", options.turn);
    turns = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, file < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, file, 0);
    if (turns == MAP_FAILED)
        harness_fail("cannot map", "the turn");
    if (options.part > 1)
        return;
    pthread_mutexattr_t lock;
    pthread_condattr_t changed;
    pthread_mutexattr_init(&lock);
    pthread_condattr_init(&changed);
    pthread_mutexattr_setpshared(&lock, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&changed, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&turns->lock, &lock);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_cond_init(&turns->changed[i], &changed);
}

int main(int argc, char **argv) {
    harness_start(argc, argv);
    options.sources = THREADS;
    read_script();
    share_turns();
    name_all();
    /* Of two processes, each has half of the threads. */
    uint32_t first = options.part > 1 ? THREADS / 2 : 0;
    uint32_t last = options.part == 1 ? THREADS / 2 : THREADS;
    for (uint32_t i = first; i < last; i++)
        begin_thread(i);
    harness_ready();
    pthread_mutex_lock(&finished_lock);
    while (finished < last - first)
        pthread_cond_wait(&all_finished, &finished_lock);
    pthread_mutex_unlock(&finished_lock);
    harness_finish();
    return 0;
}
