// Replaces the table of system calls by one that counts, and that makes one chosen call fail. For tests, one at a time in a
// process.
#pragma once
#include <stdint.h>

// What happens to the chosen call.
enum endpoints_fault_kind {
  // It does not happen, and fails with `code`.
  ENDPOINTS_FAULT_ERROR = 0,
  // It happens with one byte of what it was given; for reads and writes.
  ENDPOINTS_FAULT_SHORT = 1,
};

int endpoints_fault_call_count(void);
const char *endpoints_fault_call_name(int call);
// Installs the counting table, once.
void endpoints_fault_install(void);
// Sets the counters to 0 and chooses the call: its number from 1; 0 chooses none.
void endpoints_fault_begin(int call, int64_t number, int kind, int code);
// How often a call was made since then.
int64_t endpoints_fault_calls(int call);
// All calls since then.
int64_t endpoints_fault_total(void);
// Whether the chosen call was made.
int endpoints_fault_happened(void);
