/* A pipeline whose sink lies in a library that it loads when told to. On each line of its input it takes one step: a number of records
 * that only the source sees, the loading, as many records that the sink sees too. Then it waits for the end of its input. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

struct record {
    unsigned long number;
};

typedef void sink_write_fn(struct record *);

__attribute__((noinline)) struct record *record_emit(struct record *record)
{
    __asm__ volatile("" : : "r"(record) : "memory");
    record->number++;
    return record;
}

static void step(const char *said)
{
    char line[64];
    puts(said);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(0);
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    unsigned long records = strtoul(arguments[2], NULL, 10);
    struct record ring[16] = {{0}};
    step("ready");
    for (unsigned long i = 0; i < records; i++)
        record_emit(&ring[i % 16]);
    step("emitted");
    void *library = dlopen(arguments[1], RTLD_NOW);
    sink_write_fn *sink_write = library ? (sink_write_fn *)dlsym(library, "sink_write") : NULL;
    if (!sink_write) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    step("loaded");
    for (unsigned long i = 0; i < records; i++)
        sink_write(record_emit(&ring[i % 16]));
    step("written");
    return 0;
}
