"""What is said about the state that only virtio-net has, and what goes wrong in it without a word.

Knows messages only. Layout: qemu: hw/net/virtio-net.c:vmstate_virtio_net_device.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import EITHER, Message, Wording

_FILE = "hw/net/virtio-net.c"

MESSAGES = (
    Message(
        "vnet-hdr",
        f"{_FILE}:virtio_net_vnet_post_load",
        (Wording("virtio-net: saved image requires vnet_hdr=on"),),
        "The source's backend passed packets with a virtio header, the destination's does not.",
        (
            "The source used a tap, the destination user-mode networking, a socket or a tap with vnet_hdr=off.",
            "The tap at the destination was created by somebody else without IFF_VNET_HDR.",
        ),
        (
            "Use -netdev tap,vnet_hdr=on at the destination; create the tap with `ip tuntap add ... vnet_hdr`.",
            "Use the same kind of backend on both sides.",
        ),
    ),
    Message(
        "ufo",
        f"{_FILE}:virtio_net_ufo_post_load",
        (Wording("virtio-net: saved image requires TUN_F_UFO support"),),
        "The source's tap could pass UDP fragmentation (UFO), the destination's cannot.",
        (
            "The destination host's kernel has no UFO for taps (Linux 4.14 without its later stable updates).",
            "The destination's backend is no tap, or one without a virtio header.",
        ),
        (
            "Use a tap with vnet_hdr=on on a kernel that has TUN_F_UFO.",
            "Start guests with guest_ufo=off,host_ufo=off; a running one must be rebooted.",
        ),
    ),
    Message(
        "queue-pairs",
        f"{_FILE}:virtio_net_tx_waiting_pre_load",
        (
            Wording("virtio-net: curr_queues {current:x} > max_queues {max:x}", until="6.2"),
            Wording("virtio-net: curr_queue_pairs {current:x} > max_queue_pairs {max:x}", since="6.2"),
        ),
        "The guest uses more queue pairs than the destination's backend has (numbers are hexadecimal).",
        ("queues= is smaller at the destination.", "The bytes are out of step, when the first number is absurd."),
        ("Give the destination's -netdev the source's queues=, and vectors=2*queues+2.",),
        see=("https://github.com/lxc/incus/issues/3165",),
    ),
    Message(
        "max-queue-pairs",
        f"{_FILE}:vmstate_virtio_net_device",
        (
            Wording("Failed to load virtio-net-device:max_queues", until="6.2"),
            Wording("Failed to load virtio-net-device:max_queue_pairs", since="6.2", until="10.2"),
        ),
        "The destination's backend has another number of queue pairs. The line before, `A != B`, gives both: the "
        "destination's first, hexadecimal.",
        (
            "queues= differs between the two -netdev.",
            "Queues follow the CPU count, and CPUs were added or removed.",
        ),
        ("Give the destination's -netdev the source's queues=, and vectors=2*queues+2.",),
        see=("https://github.com/kubevirt/kubevirt/pull/12180",),
        follows=True,
    ),
    Message(
        "rss-table",
        f"{_FILE}:virtio_net_rss_post_load",
        # The boundary lies between 10.0.2 and 10.0.13; stable releases of other branches may have it too.
        (Wording("virtio-net: saved image has invalid RSS indirections_len: {length:d}", since="10.0.3"),),
        "The receive-steering table's length is no power of two up to 128.",
        ("The bytes are out of step, or were edited.",),
        ("Compare the device on both sides; switch RSS off in the guest and migrate again.",),
    ),
    Message(
        "mac-table",
        f"{_FILE}:virtio_net_post_load_device",
        (),
        "The MAC filter holds more than 64 entries. The destination drops the table and lets all packets through; a "
        "count that has no entries behind it puts the whole stream out of step.",
        ("The guest has very many addresses (macvlan, bridges).", "The count is damaged."),
        ("Nothing, when the entries are there: the guest sees more packets than it asked for.",),
    ),
    Message(
        "vlan-lost",
        f"{_FILE}:virtio_net_set_features",
        (),
        "QEMU up to some release between 7.2 and 10.0 clears the VLAN filter after loading it: the guest's VLANs get "
        "no packets although the migration succeeded.",
        ("The destination's QEMU is 5.2, 7.2 or of that age, and the guest uses VLAN filtering.",),
        (
            "Set the VLANs again in the guest (take the interface down and up).",
            "Use a newer destination, or ctrl_vlan=off.",
        ),
    ),
    Message(
        "announce",
        f"{_FILE}:virtio_net_announce",
        (),
        "The guest has not negotiated GUEST_ANNOUNCE: after the migration only QEMU's own RARP tells the switches "
        "where the guest is, without its VLANs and further addresses.",
        ("An old driver, or guest_announce=off / ctrl_vq=off.",),
        ("Use guest_announce=on, and let the network know (gratuitous ARP from the guest or the SDN).",),
        see=("https://github.com/kubeovn/kube-ovn/issues/5343",),
    ),
    Message(
        "backend-state",
        f"{_FILE}:vhost_user_net_load_state",
        (
            Wording("Error loading  back-end state of {type} device {name}", since="9.2"),
            Wording("Error loading back-end state of {type} device {name}", since="9.2"),
            Wording("Error saving back-end state of {type} device {name}", since="9.2"),
            Wording("Error getting vhost back-end of {type} device {name}", since="9.2"),
            Wording("Back-end does not support migration state transfer", since="9.2"),
        ),
        "The vhost-user backend could not give or take its own state.",
        ("The backend process is of another version, or died.",),
        ("Look at the backend's log on that host; use the same backend version on both.",),
        side=EITHER,
    ),
    Message(
        "vhost-fallback",
        f"{_FILE}:virtio_net_vhost_status",
        (
            Wording("unable to start vhost net: {code:d}: falling back on userspace virtio"),
            Wording("backend does not support {endian} vnet headers; falling back on userspace virtio"),
        ),
        "A warning: vhost could not be used; QEMU moves the packets itself, which is slower.",
        ("The vhost module is not loaded, is out of memory regions, or the device may not be opened.",),
        ("Load vhost_net, give access to /dev/vhost-net; raise vhost's max_mem_regions.",),
        side=EITHER,
    ),
    Message(
        "mtu-unsupported",
        f"{_FILE}:virtio_net_get_features",
        (Wording("{mtu:d}Bytes MTU not supported by the backend"),),
        "A warning: the backend does not take the MTU that host_mtu asks for, so the feature is not offered.",
        ("The tap or vhost-user backend has a smaller MTU on this host.",),
        ("Give the tap the same MTU on all hosts; a guest that negotiated MTU cannot load here.",),
        side=EITHER,
    ),
    Message(
        "failover",
        f"{_FILE}:virtio_net_primary_should_be_hidden",
        (Wording("Virtio-net failover will not work. Make sure primary device has parameter failover_pair_id={id}"),),
        "A warning: no VFIO device is paired with this virtio-net, so there is nothing to fail over to.",
        ("The primary device is missing or has another failover_pair_id.",),
        ("Give the vfio-pci device failover_pair_id= with the virtio-net's id.",),
        side=EITHER,
    ),
)
