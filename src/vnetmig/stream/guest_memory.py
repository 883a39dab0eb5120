from vnetmig.document.guest_memory import *  # noqa: F403
from vnetmig.document.guest_memory import MemorySource, load_memory, GuestMemory  # noqa: F401
