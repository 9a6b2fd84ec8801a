#include "CEndpoints.h"

_Thread_local void *endpoints_loop_slot;
