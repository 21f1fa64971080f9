#pragma once

#include "gemm.h"
#include "isa.h"
#include "pack.h"
#include "rows.h"
