#include <nanobind/nanobind.h>

namespace nb = nanobind;

NB_MODULE(OPENBRAKET_MODULE, m) { m.doc() = "OpenBraket's numerical core."; }
