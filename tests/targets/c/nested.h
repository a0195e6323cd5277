/* Transforms within transforms, in all the ways in which they can end. Included once, by journeys.c. */
#ifndef STAIN_NESTED_H
#define STAIN_NESTED_H

#include <setjmp.h>

#include "stages.h"

static int work(struct seat *seat, struct row *row);

static void leave(struct seat *seat) {
    longjmp(*(jmp_buf *)seat->jump, 1);
}

#define NOTE(seat, row) CALL(TRUTH_NOTE, row, row, scope_note(seat))
#define DONE(seat, row) CALL(TRUTH_DONE, row, row, transform_done(seat))

STAGE void inner_row(struct seat *seat, struct row *row) {
    flow_entered();
    tally(&seat->calls);
    NOTE(seat, row);
    enum nest nest = flow_nest(row);
    if (nest >= NEST_LEFT_HERE && row->step > 0)
        leave(seat);
    if (nest == NEST_INNER || nest == NEST_LEFT_RETRY)
        DONE(seat, row);
    KEEP(row);
}

STAGE void recurse_row(struct seat *seat, struct row *row, uint32_t depth) {
    flow_entered();
    tally(&seat->calls);
    if (depth > 0) {
        flow_enter(TRUTH_RECURSE, row, row);
        recurse_row(seat, row, depth - 1);
        NOTE(seat, row);
    } else if (flow_nest(row) == NEST_RECURSE) {
        DONE(seat, row);
    }
    KEEP(row);
}

static void call_inner(struct seat *seat, struct row *row) {
    flow_enter(TRUTH_INNER, row, row);
    inner_row(seat, row);
}

/* The inner transform is left by a far jump that ends here. */
static void catch_inner(struct seat *seat, struct row *row) {
    void *outer = seat->jump;
    jmp_buf here;
    seat->jump = &here;
    if (setjmp(here) == 0)
        call_inner(seat, row);
    seat->jump = outer;
}

/* Another row is worked on in the midst of this one, if there is one. */
static void work_on_another(struct seat *seat) {
    if (seat->depth > 1)
        return;
    struct row *other = queue_try(seat->in);
    if (!other)
        return;
    CALL(TRUTH_TAKE, other, other, row_take(seat, other));
    if (work(seat, other))
        queue_put(seat->out, other);
}

STAGE void outer_row(struct seat *seat, struct row *row) {
    flow_entered();
    tally(&seat->calls);
    NOTE(seat, row);
    switch (flow_nest(row)) {
    case NEST_RECURSE:
    case NEST_RECURSE_SILENT:
        flow_enter(TRUTH_RECURSE, row, row);
        recurse_row(seat, row, flow_depth(row) - 1);
        break;
    case NEST_OTHER:
        work_on_another(seat);
        break;
    case NEST_LEFT_HERE:
        catch_inner(seat, row);
        break;
    default:
        call_inner(seat, row);
        break;
    }
    NOTE(seat, row);
    enum nest nest = flow_nest(row);
    if (nest == NEST_OWN || nest == NEST_OTHER || nest == NEST_LEFT_HERE)
        DONE(seat, row);
    KEEP(row);
}

/* 0 when the transform was left. */
static STAGE int try_outer(struct seat *seat, struct row *row) {
    void *outer = seat->jump;
    jmp_buf here;
    seat->jump = &here;
    seat->depth += 1;
    uint32_t depth = seat->depth;
    int left = setjmp(here);
    if (left == 0) {
        flow_enter(TRUTH_ENTER, row, row);
        outer_row(seat, row);
    }
    seat->depth = depth - 1;
    seat->jump = outer;
    return !left;
}

/* Deeper in the stack than any transform was entered: no row is worked on now. */
static STAGE void idle_note(struct seat *seat, uint32_t depth) {
    char room[256];
    KEEP(room);
    if (depth > 0)
        idle_note(seat, depth - 1);
    else
        scope_note(seat);
    KEEP(room);
}

/* The whole transform of a row; says whether it goes on. */
static STAGE int work(struct seat *seat, struct row *row) {
    enum nest nest = flow_nest(row);
    /* How often it will be left. */
    row->step = nest < NEST_LEFT_HERE ? 0 : nest == NEST_LEFT_RETRY ? flow_depth(row) : 1;
    int whole = 0;
    while (!(whole = try_outer(seat, row)) && nest == NEST_LEFT_RETRY)
        row->step -= 1;
    if (seat->depth == 0)
        idle_note(seat, 4);
    if (whole && nest != NEST_SILENT && nest != NEST_RECURSE_SILENT)
        return 1;
    count_dropped((uint32_t)row->source);
    if (nest == NEST_LEFT_ERROR)
        CALL(TRUTH_ERROR, row, row, row_error(seat, row));
    else
        flow_fact(nest == NEST_LEFT_VANISH ? TRUTH_SILENT : TRUTH_FILTERED, row);
    block_give(row);
    return 0;
}

#endif
