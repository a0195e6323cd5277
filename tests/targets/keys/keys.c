// One thread whose records are dropped unnoticed. Runs until its standard input ends.
//
//   keys unseen   Each record's key goes to a second one, which passes the source while its page cannot be read (as under NUMA
//                 balancing), and then the other stages. No stage after the source is the first record's.
//   keys expire   Each record has a key of its own and never comes to an end.
//   keys filter   Each record has a key of its own; those with an odd key come to an end, the others are filtered.
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

struct context {
    uint64_t key;
};

#define STAGE __attribute__((noinline, noclone)) void
STAGE emit(struct context *context) { __asm__ volatile("" ::"r"(context) : "memory"); }
STAGE transform(uint64_t key) { __asm__ volatile("" ::"r"(key) : "memory"); }
STAGE done(uint64_t key) { __asm__ volatile("" ::"r"(key) : "memory"); }

__attribute__((noinline, noclone)) int judge(uint64_t key) {
    __asm__ volatile("" ::"r"(key) : "memory");
    return (int)(key & 1);
}

static int goes_on(int milliseconds) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, milliseconds) == 0;
}

static void successor(struct context *context) {
    mprotect(context, 4096, PROT_NONE);
    emit(context);
    mprotect(context, 4096, PROT_READ | PROT_WRITE);
    transform(context->key);
    done(context->key);
}

int main(int count, char **arguments) {
    int expire = count > 1 && strcmp(arguments[1], "expire") == 0;
    int filter = count > 1 && strcmp(arguments[1], "filter") == 0;
    struct context *context =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (context == MAP_FAILED) {
        return 1;
    }
    for (context->key = 1; goes_on(1); context->key += expire | filter) {
        emit(context);
        if (filter) {
            if (judge(context->key)) {
                done(context->key);
            }
        } else if (!expire) {
            successor(context);
        }
    }
    return 0;
}
