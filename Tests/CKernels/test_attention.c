#include "test.h"
void test_attention(void) {}
