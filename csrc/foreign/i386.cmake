# Little-endian, 32 bits; an x86-64 kernel runs it as it is. Debian: gcc-i686-linux-gnu libc6-dev-i386-cross
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_C_COMPILER i686-linux-gnu-gcc)
set(CMAKE_C_FLAGS_INIT -Wno-maybe-uninitialized) # at -O3 GCC 12 loses sight of the code that says whether it was set
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
