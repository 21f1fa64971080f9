#pragma once

#include "elementwise.h"
#include "isa.h"
