// How transforms are entered, and transforms within transforms, in all the ways in which they can end.
#pragma once
#include "stages.hpp"

namespace journeys {

static uint32_t source_of(const row &record) { return static_cast<uint32_t>(record.source); }

static void put(seat &place, row *record) {
    call(TRUTH_PUT, *record, record, [&] { Channel<row>(place.out).put(record); });
}

static row *take(seat &place) {
    auto *record = static_cast<row *>(queue_get(place.in));
    if (record)
        call(TRUTH_TAKE, *record, record, [&] { Channel<row>(place.in).took(record); });
    return record;
}

static void done(seat &place, const row &record) {
    call(TRUTH_DONE, record, &record, [&] { Scope(place).done(); });
}

static void note(seat &place, const row &record) {
    call(TRUTH_NOTE, record, &record, [&] { Scope(place).note(); });
}

static void write_row(seat &place, row *record) {
    call(TRUTH_WRITTEN, *record, record, [&] { Sink(place).written(*record); });
    count_written(source_of(*record));
    block_give(record);
}

// A record that is over, and of which no stage function knows.
static void over(uint32_t fact, row *record) {
    count_dropped(source_of(*record));
    flow_fact(fact, record);
    block_give(record);
}

// A stage function, T+, for each kind; what is done to the record until the end of its scope is the kind's body.
template <typename Kind> class Transform {
  public:
    STAGE static void apply(seat &place, row &record) {
        flow_entered();
        tally(place.calls, 1);
        Kind::body(place, record);
        keep(&place);
    }
    static void enter(seat &place, row &record) {
        flow_enter(TRUTH_ENTER, &record, &record);
        apply(place, record);
    }
};

struct Left {};

static bool work(seat &place, row &record);

struct Nested {
    STAGE static void inner(seat &place, row &record) {
        flow_entered();
        tally(place.calls, 1);
        note(place, record);
        nest plan = flow_nest(&record);
        if (plan >= NEST_LEFT_HERE && record.step > 0)
            throw Left();
        if (plan == NEST_INNER || plan == NEST_LEFT_RETRY)
            done(place, record);
        keep(&record);
    }
    STAGE static void recurse(seat &place, row &record, uint32_t depth) {
        flow_entered();
        tally(place.calls, 1);
        if (depth > 0) {
            flow_enter(TRUTH_RECURSE, &record, &record);
            recurse(place, record, depth - 1);
            note(place, record);
        } else if (flow_nest(&record) == NEST_RECURSE) {
            done(place, record);
        }
        keep(&record);
    }
    static void body(seat &place, row &record);

  private:
    static void call_inner(seat &place, row &record) {
        flow_enter(TRUTH_INNER, &record, &record);
        inner(place, record);
    }
    // Another record is worked on in the midst of this one, if there is one.
    static void work_on_another(seat &place) {
        auto *other = place.depth > 1 ? nullptr : static_cast<row *>(queue_try(place.in));
        if (!other)
            return;
        call(TRUTH_TAKE, *other, other, [&] { Channel<row>(place.in).took(other); });
        if (work(place, *other))
            queue_put(place.out, other);
    }
};

void Nested::body(seat &place, row &record) {
    nest plan = flow_nest(&record);
    note(place, record);
    if (plan == NEST_RECURSE || plan == NEST_RECURSE_SILENT) {
        flow_enter(TRUTH_RECURSE, &record, &record);
        recurse(place, record, flow_depth(&record) - 1);
    } else if (plan == NEST_OTHER) {
        work_on_another(place);
    } else if (plan == NEST_LEFT_HERE) {
        try {
            call_inner(place, record);
        } catch (const Left &) {
        }
    } else {
        call_inner(place, record);
    }
    note(place, record);
    if (plan == NEST_OWN || plan == NEST_OTHER || plan == NEST_LEFT_HERE)
        done(place, record);
}

// False when the transform was left.
static STAGE bool try_outer(seat &place, row &record) {
    place.depth += 1;
    bool whole = true;
    try {
        Transform<Nested>::enter(place, record);
    } catch (const Left &) {
        whole = false;
    }
    place.depth -= 1;
    return whole;
}

// Deeper in the stack than any transform was entered: no record is worked on now.
static STAGE void idle_note(seat &place, uint32_t depth) {
    char room[256];
    keep(room);
    if (depth > 0)
        idle_note(place, depth - 1);
    else
        Scope(place).note();
    keep(room);
}

// The whole transform of a record; says whether it goes on.
static STAGE bool work(seat &place, row &record) {
    nest plan = flow_nest(&record);
    // How often it will be left.
    record.step = plan < NEST_LEFT_HERE ? 0 : plan == NEST_LEFT_RETRY ? flow_depth(&record) : 1;
    bool whole = false;
    while (!(whole = try_outer(place, record)) && plan == NEST_LEFT_RETRY)
        record.step -= 1;
    if (place.depth == 0)
        idle_note(place, 4);
    if (whole && plan != NEST_SILENT && plan != NEST_RECURSE_SILENT)
        return true;
    if (plan == NEST_LEFT_ERROR) {
        count_dropped(source_of(record));
        call(TRUTH_ERROR, record, &record, [&] { Sink(place).error(record); });
        block_give(&record);
    } else {
        over(plan == NEST_LEFT_VANISH ? TRUTH_SILENT : TRUTH_FILTERED, &record);
    }
    return false;
}

} // namespace journeys
