#pragma once

#include "attention.h"
#include "dropout.h"
#include "float32.h"
#include "gemm.h"
#include "gradient.h"
#include "isa.h"
#include "kernels.h"
#include "pack.h"
#include "roofline.h"
#include "rows.h"
