"""What compiled programs and those who write them agree on."""

import platform

COMPILER = "clang++" if platform.system() == "Darwin" else "g++"
WATCHED = 0.02  # s of biological time between looks at how much the circuit fires
