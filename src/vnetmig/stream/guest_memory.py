from vnetmig.document.guest_memory import *  # noqa: F403
from vnetmig.document.guest_memory import GuestMemory, MemorySource, load_memory  # noqa: F401
