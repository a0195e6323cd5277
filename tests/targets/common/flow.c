/* Rows, their memory, what becomes of them, and their part of the truth log. */
#define _GNU_SOURCE
#include "flow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct row, uid) == 24 && offsetof(struct row, event_ms) == 40, "specs name these offsets");
_Static_assert(offsetof(struct row, status) == 56 && offsetof(struct row, table) == 64, "specs name these offsets");
_Static_assert(offsetof(struct row, own_table) == 72 && sizeof(struct row) == 160, "specs name these offsets");

/* ---- memory ---- */

enum { BLOCK_BYTES = 192 };
_Static_assert(sizeof(struct node) <= BLOCK_BYTES && sizeof(struct buffer) <= BLOCK_BYTES, "one size serves all");

static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static struct row *free_blocks;
static struct batch *free_batches;
static uint64_t batches_taken;

static void *allocated(void *memory) {
    if (!memory)
        abort();
    return memory;
}

void *block_take(void) {
    static uint64_t takes;
    pthread_mutex_lock(&memory_lock);
    /* Now and then the one below the top, so that what was a row becomes a node, and so on. */
    struct row **top = free_blocks && free_blocks->link && ++takes % 5 == 0 ? &free_blocks->link : &free_blocks;
    struct row *block = *top;
    if (block)
        *top = block->link;
    pthread_mutex_unlock(&memory_lock);
    return block ? block : allocated(malloc(BLOCK_BYTES));
}

void block_give(void *memory) {
    struct row *block = memory;
    pthread_mutex_lock(&memory_lock);
    block->link = free_blocks;
    free_blocks = block;
    pthread_mutex_unlock(&memory_lock);
}

/* Numbers that look like chance and are the same in every run. */
static uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

struct batch *batch_take(void) {
    pthread_mutex_lock(&memory_lock);
    struct batch *batch = free_batches;
    if (batch)
        free_batches = batch->link;
    uint64_t id = ++batches_taken;
    pthread_mutex_unlock(&memory_lock);
    if (!batch)
        batch = allocated(malloc(sizeof *batch));
    batch->id = id;
    batch->size = batch->sealed = 0;
    batch->limit = 1 + mixed(id) % BATCH_LIMIT;
    return batch;
}

void batch_give(struct batch *batch) {
    pthread_mutex_lock(&memory_lock);
    batch->link = free_batches;
    free_batches = batch;
    pthread_mutex_unlock(&memory_lock);
}

/* ---- rows ---- */

static uint64_t dice(const struct row *row, uint64_t salt) {
    return mixed(mixed(row->uid * 0x9E3779B97F4A7C15u + row->path) + salt * 0xD6E8FEB86659FD93u);
}

/* From empty to more than any attribute keeps. */
static const char *const tables[] = {
    "orders", "users", "", "a table whose name is quite long, but not too long", "line_items", "r\xC3\xA9gions",
    "this name has sixty-nine letters and is longer than what can be kept.",
};
static const int32_t states[] = {0, 0, 0, 5, 7, -1};

struct row *flow_row(uint32_t source, uint64_t seq) {
    struct row *row = block_take();
    *row = (struct row){.seq = seq, .source = source, .uid = (uint64_t)source << 40 | seq};
    /* From three seconds ago to half a second ahead. */
    row->event_ms = wall_clock_ns() / 1000000 - (int64_t)(dice(row, 1) % 3500) + 500;
    row->event_ns = row->event_ms * 1000000;
    row->status = states[dice(row, 2) % (sizeof states / sizeof *states)];
    strcpy(row->own_table, tables[dice(row, 3) % (sizeof tables / sizeof *tables)]);
    row->table_len = (uint32_t)strlen(row->own_table);
    row->table = row->own_table;
    return row;
}

void flow_copy(struct row *to, const struct row *from) {
    *to = *from;
    to->table = to->own_table;
}

struct row *flow_child(struct row *parent) {
    struct row *child = block_take();
    flow_copy(child, parent);
    child->path = parent->path << 8 | ++parent->children;
    child->children = 0;
    child->status = states[dice(child, 2) % (sizeof states / sizeof *states)];
    return child;
}

/* ---- what becomes of them ---- */

enum filter flow_filter(const struct row *row) {
    uint64_t chance = dice(row, 10) % 100;
    return chance >= 30 ? FILTER_PASS : chance >= 15 ? FILTER_CLOSE : FILTER_FREE;
}

int flow_by_hand(const struct row *row) {
    return dice(row, 11) % 2 == 0;
}

int flow_vanishes(const struct row *row) {
    return dice(row, 12) % 100 < 3;
}

/* The record itself becomes 0 to 5, and goes on beside them one time in five; its branches do so two times in five. */
struct split flow_split(const struct row *row) {
    if (row->path && dice(row, 13) % 5 >= 2)
        return (struct split){0, 1};
    return (struct split){(uint32_t)(dice(row, 14) % 6), dice(row, 15) % 5 == 0};
}

uint32_t flow_batch_children(const struct row *row) {
    return dice(row, 16) % 4 == 0 ? 2 + (uint32_t)(dice(row, 17) % 2) : 0;
}

enum fault flow_fault(const struct row *row) {
    uint64_t chance = dice(row, 18) % 100;
    return chance >= 10 ? FAULT_NOT : chance >= 5 ? FAULT_ROUTED : FAULT_RETURNED;
}

enum nest flow_nest(const struct row *row) {
    return (enum nest)(dice(row, 19) % (NEST_LEFT_VANISH + 1));
}

uint32_t flow_depth(const struct row *row) {
    return 1 + (uint32_t)(dice(row, 20) % 5);
}

int flow_merges(const struct batch *batch) {
    return mixed(batch->id + 77) % 2 == 0;
}

/* ---- the truth log ---- */

static void describe(struct truth_row *entry, const struct row *row) {
    entry->path = row->path;
    entry->number = row->status;
    entry->event_ns = row->event_ns;
    memcpy(entry->text, row->own_table, row->table_len < TRUTH_TEXT_BYTES ? row->table_len : TRUTH_TEXT_BYTES);
    entry->wall_ns = wall_clock_ns();
}

static struct truth_row *opened(uint32_t stage, const struct row *row, const void *object) {
    struct truth_row *entry = truth_open(stage, (uint32_t)row->source, row->seq, object);
    if (entry)
        describe(entry, row);
    return entry;
}

struct truth_row *flow_begin(uint32_t stage, const struct row *row, const void *object) {
    struct truth_row *entry = opened(stage, row, object);
    if (entry)
        entry->before_ns = clock_ns();
    return entry;
}

static _Thread_local struct truth_row *entering;

void flow_enter(uint32_t stage, const struct row *row, const void *object) {
    entering = flow_begin(stage, row, object);
}

void flow_entered(void) {
    truth_end(entering);
    entering = NULL;
}

struct truth_row *flow_add(const struct row *row, const struct batch *batch) {
    struct truth_row *entry = opened(TRUTH_BATCH_ADD, row, row);
    if (!entry)
        return NULL;
    entry->batch = batch->id;
    entry->holder = (uint64_t)(uintptr_t)batch;
    entry->position = (uint32_t)batch->size;
    entry->before_ns = clock_ns();
    return entry;
}

/* The row's record at `position` of the batch, in a call that took `size` records at once. */
static void member(uint32_t stage, const struct batch *batch, uint64_t position, const struct row *row, uint64_t size,
                   const uint64_t clock[2]) {
    struct truth_row *entry = opened(stage, row, batch);
    if (!entry)
        return;
    /* The wall clock as it was at the call. */
    entry->wall_ns -= (int64_t)(clock_ns() - clock[0]);
    entry->batch = batch->id;
    entry->holder = (uint64_t)(uintptr_t)batch;
    entry->position = (uint32_t)position;
    entry->size = size;
    entry->before_ns = clock[0];
    entry->after_ns = clock[1];
}

void flow_members(uint32_t stage, const struct batch *batch, uint64_t before_ns) {
    const uint64_t clock[2] = {before_ns, clock_ns()};
    for (uint64_t i = 0; i < batch->size; i++)
        member(stage, batch, i, &batch->rows[i], batch->size, clock);
}

void flow_merged(const struct batch *big, const struct batch *small, uint64_t before, uint64_t before_ns) {
    const uint64_t clock[2] = {before_ns, clock_ns()};
    for (uint64_t i = 0; i < small->size; i++)
        member(TRUTH_BATCH_MERGE, big, before + i, &small->rows[i], small->size, clock);
}

void flow_fact(uint32_t stage, const struct row *row) {
    struct truth_row *entry = flow_begin(stage, row, row);
    if (entry)
        entry->after_ns = entry->before_ns;
}
