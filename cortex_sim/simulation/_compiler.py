"""Constants shared by compiled programs and the code that writes them."""

import platform

COMPILER = "clang++" if platform.system() == "Darwin" else "g++"
WATCHED = 0.02  # s of biological time between looks at how much the circuit fires
