/* Records whose names cannot be read now and then. Each stage gets pointers to the names of its objects, besides these; what becomes of a record does not depend
 * on them. A name is the object's address, and what was given back last is handed out first: so what the profiler misses is soon another's.
 *
 * A row is emitted, put on a node (the row's further key) and taken off it, and worked on in a scope: there it is filtered, goes to the error sink, splits, or goes
 * on.
 * What goes on is put into a batch, which another thread writes. --fault-keys: names lie in pages that are not there, too, not only nowhere. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "stages.h"

/* In the truth log beside the stages of flow.h. `number` says which names were veiled, of a call or of these. */
enum {
    TRUTH_BOGUS = 90,  /* within a scope, a call of `veiled_fork` without a record */
    TRUTH_UNSEEN = 91, /* a name that a record may have taken was veiled at this time; of source 63, so that it is no record's */
};
enum veil { BARE, NOWHERE, FAR };
enum { OF_OBJECT = 1, OF_SECOND = 2, ANYONE = 63 };

typedef const void *name;
static name far_page;

/* Whether the names of a stage are veiled for this row; about one in `rarely` is. The same in every run. */
static enum veil veil(uint32_t stage, uint64_t uid, uint64_t rarely) {
    uint64_t x = uid * 0x9E3779B97F4A7C15u ^ (uint64_t)stage * 0xD6E8FEB86659FD93u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    if (x % rarely)
        return BARE;
    return options.fault_keys && x / rarely % 2 ? FAR : NOWHERE;
}

static enum veil of_row(uint32_t stage, const struct row *row, uint64_t rarely) {
    return veil(stage, row->uid ^ row->path << 20, rarely);
}

/* Where the name of an object is: its first word, which is its own address. Counts those that are veiled. */
static name named(enum veil veil, void *object) {
    *(void **)object = object;
    if (veil != BARE)
        count_bogus();
    return veil == NOWHERE ? NULL : veil == FAR ? far_page : object;
}

#define VEILED_CALL(stage, row, object, flags, call)                                                           \
    do {                                                                                                       \
        struct truth_row *entry_ = flow_begin(stage, row, object);                                             \
        if (entry_)                                                                                            \
            entry_->number = (flags);                                                                          \
        call;                                                                                                  \
        truth_end(entry_);                                                                                     \
    } while (0)

/* What may have taken another record's name passes unseen in this call. */
#define UNSEEN_CALL(call)                                                                                      \
    do {                                                                                                       \
        struct truth_row *entry_ = truth_begin(TRUTH_UNSEEN, ANYONE, options.truth_sample, NULL);              \
        call;                                                                                                  \
        truth_end(entry_);                                                                                     \
    } while (0)

/* ---- stages: `at` is where the object's name is, `to` where that of the second one is ---- */

STAGE void veiled_emit(struct seat *seat, name at) { tally(&seat->calls); KEEP(at); }
STAGE void veiled_put(struct seat *seat, name at, name to) { tally(&seat->calls); KEEP(at); KEEP(to); }
STAGE void veiled_take(struct seat *seat, name at) { tally(&seat->calls); KEEP(at); }
STAGE void veiled_fork(struct seat *seat, name at) { tally(&seat->calls); KEEP(at); }
STAGE void veiled_add(struct seat *seat, name at, name to) { tally(&seat->calls); KEEP(at); KEEP(to); }
STAGE void veiled_seal(struct seat *seat, name at) { tally(&seat->calls); KEEP(at); }
STAGE void veiled_flush(struct seat *seat, name at) { tally(&seat->calls); KEEP(at); }
STAGE void veiled_error(struct seat *seat, name at) { tally(&seat->calls); KEEP(at); }

/* ---- source: emit, and put on a node ---- */

static void put_on_node(struct seat *seat, struct row *row) {
    struct node *node = block_take();
    enum veil object = of_row(TRUTH_PUT, row, 40), second = of_row(TRUTH_NODE_PUT, row, options.fault_keys ? 900 : 40);
    int flags = (object ? OF_OBJECT : 0) | (second ? OF_SECOND : 0);
    if (second == FAR)
        UNSEEN_CALL(VEILED_CALL(TRUTH_PUT, row, row, flags, veiled_put(seat, named(object, row), named(second, node))));
    else
        VEILED_CALL(TRUTH_PUT, row, row, flags, veiled_put(seat, named(object, row), named(second, node)));
    /* What has no name is no node. */
    row->hops = second ? 0 : (uint64_t)(uintptr_t)node;
    if (second)
        block_give(node);
}

static void run_source(struct seat *seat) {
    harness_source(seat->number);
    harness_await_go();
    for (uint64_t seq = 1; harness_next(seq - 1); seq++) {
        struct row *row = flow_row(seat->number, seq);
        enum veil hidden = of_row(TRUTH_S0, row, options.fault_keys ? 900 : 40);
        /* Nowhere there is no record: that is one call more. */
        if (hidden == NOWHERE)
            veiled_emit(seat, named(NOWHERE, row));
        if (hidden == FAR)
            UNSEEN_CALL(VEILED_CALL(TRUTH_S0, row, row, OF_OBJECT, veiled_emit(seat, named(FAR, row))));
        else
            VEILED_CALL(TRUTH_S0, row, row, 0, veiled_emit(seat, named(BARE, row)));
        count_emitted(seat->number);
        put_on_node(seat, row);
        queue_put(seat->out, row);
    }
}

/* ---- the scope, and batches ---- */

/* Under the batcher's lock. `sealed` counts the rows that were put into the batch by its name. The row is given back at once. */
static void add(struct seat *seat, struct row *row) {
    struct batch *batch = batcher_lock();
    enum veil object = of_row(TRUTH_BATCH_ADD, row, 40), second = of_row(TRUTH_BATCH_MERGE, row, 60);
    struct truth_row *entry = flow_add(row, batch);
    if (entry) {
        entry->number = (object ? OF_OBJECT : 0) | (second ? OF_SECOND : 0);
        entry->position = (uint32_t)batch->sealed;
    }
    veiled_add(seat, named(object, row), named(second, batch));
    truth_end(entry);
    batch->sealed += second == BARE;
    flow_copy(&batch->rows[batch->size++], row);
    block_give(row);
    struct batch *full = batcher_unlock();
    if (full)
        queue_put(seat->out, full);
}

static void end(struct seat *seat, struct row *row) {
    enum veil hidden = of_row(TRUTH_ERROR, row, 10);
    VEILED_CALL(TRUTH_ERROR, row, row, hidden ? OF_OBJECT : 0, veiled_error(seat, named(hidden, row)));
}

static void fork_one(struct seat *seat, struct row *row) {
    enum veil hidden = of_row(TRUTH_BOGUS + 10 * (row->children + 1), row, options.fault_keys ? 900 : 60);
    if (hidden == NOWHERE)
        VEILED_CALL(TRUTH_BOGUS, row, row, OF_OBJECT, veiled_fork(seat, named(NOWHERE, row)));
    if (hidden == FAR) {
        /* An output that nobody sees: of no journey. */
        struct row *lost = block_take();
        UNSEEN_CALL(VEILED_CALL(TRUTH_BOGUS, row, row, OF_OBJECT, veiled_fork(seat, named(FAR, lost))));
        block_give(lost);
        return;
    }
    struct row *child = flow_child(row);
    VEILED_CALL(TRUTH_FORK, child, child, 0, veiled_fork(seat, named(BARE, child)));
    add(seat, child);
}

static _Thread_local struct truth_row *entering;

/* A scope. Says whether the row goes on. */
STAGE int veiled_work(struct seat *seat, name at, struct row *row) {
    truth_end(entering);
    tally(&seat->calls);
    KEEP(at);
    int goes_on = 0;
    if (flow_fault(row) != FAULT_NOT) {
        end(seat, row);
    } else if (flow_filter(row) == FILTER_PASS) {
        uint32_t children = flow_batch_children(row);
        for (uint32_t i = 0; i < children; i++)
            fork_one(seat, row);
        goes_on = !children;
        if (goes_on)
            VEILED_CALL(TRUTH_DONE, row, row, 0, transform_done(seat));
    }
    KEEP(row);
    return goes_on;
}

static void run_batcher(struct seat *seat) {
    if (seat->number == 0) {
        batcher_timer(seat);
        return;
    }
    for (struct row *row; (row = queue_get(seat->in));) {
        struct node *node = (struct node *)(uintptr_t)row->hops;
        if (node) {
            enum veil hidden = of_row(TRUTH_TAKE, row, 40);
            VEILED_CALL(TRUTH_TAKE, row, row, hidden ? OF_OBJECT : 0, veiled_take(seat, named(hidden, node)));
            block_give(node);
        }
        enum veil hidden = of_row(TRUTH_ENTER, row, 40);
        entering = flow_begin(TRUTH_ENTER, row, row);
        if (entering)
            entering->number = hidden ? OF_OBJECT : 0;
        if (veiled_work(seat, named(hidden, row), row)) {
            add(seat, row);
            continue;
        }
        if (flow_fault(row) == FAULT_NOT)
            flow_fact(row->children ? TRUTH_SPLIT : TRUTH_FILTERED, row);
        block_give(row);
    }
}

static void members(uint32_t stage, const struct batch *batch, uint64_t before_ns, enum veil hidden) {
    if (hidden == BARE)
        flow_members(stage, batch, before_ns);
}

static void run_writer(struct seat *seat) {
    for (struct batch *batch; (batch = queue_get(seat->in));) {
        uint64_t before_ns = truth_before();
        enum veil hidden = veil(TRUTH_BATCH_SEAL, batch->id, 20);
        veiled_seal(seat, named(hidden, batch));
        members(TRUTH_BATCH_SEAL, batch, before_ns, hidden);
        hidden = veil(TRUTH_BATCH_WRITTEN, batch->id, 20);
        if (hidden == NOWHERE)
            veiled_flush(seat, named(NOWHERE, batch));
        before_ns = truth_before();
        veiled_flush(seat, named(hidden == FAR ? FAR : BARE, batch));
        members(TRUTH_BATCH_WRITTEN, batch, before_ns, hidden == FAR ? FAR : BARE);
        batch_give(batch);
    }
}

int main(int argc, char **argv) {
    static const struct bodies bodies = {.source = run_source, .batcher = run_batcher, .writer = run_writer};
    far_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (far_page == MAP_FAILED)
        return 2;
    options.scenario = BATCH;
    flow_main(argc, argv, &bodies);
    return 0;
}
