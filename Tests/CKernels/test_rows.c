#include "test.h"
void test_rows(void) {}
