// Names that mean several functions: overloads, and methods of the same name in two classes.
#define STAGE __attribute__((noinline, noipa))

namespace shop {

static volatile long sold;

STAGE void price(int cents) { sold = sold + cents; }
STAGE void price(double euros) { sold = sold + static_cast<long>(euros); }

struct Till {
    STAGE void open(long id) { sold = sold + id; }
};

struct Door {
    STAGE void open(long id) { sold = sold - id; }
};

} // namespace shop

int main(int argc, char **) {
    shop::price(argc);
    shop::price(static_cast<double>(argc));
    shop::Till().open(argc);
    shop::Door().open(argc);
    return 0;
}
