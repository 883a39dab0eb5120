# Little-endian, 32 bits; an x86-64 kernel runs it as it is. Debian: gcc-i686-linux-gnu libc6-dev-i386-cross
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_C_COMPILER i686-linux-gnu-gcc)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
