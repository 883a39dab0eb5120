"""QEMU's PCI devices: what a driver's section is called, and which of them have a bus behind them.

Tables only, as seen in streams of QEMU 5.2 to 11.1. A driver that is in neither table may be anything.
"""

from __future__ import annotations

import re
from typing import Final

VIRTIO_SECTIONS: Final = {
    #  driver, without -pci and the like   section
    "virtio-net": "virtio-net",
    "virtio-blk": "virtio-blk",
    "virtio-scsi": "virtio-scsi",
    "virtio-serial": "virtio-console",
    "virtio-balloon": "virtio-balloon",
    "virtio-rng": "virtio-rng",
    "virtio-9p": "virtio-9p",
    "virtio-gpu": "virtio-gpu",
    "virtio-keyboard": "virtio-input",
    "virtio-mouse": "virtio-input",
    "virtio-tablet": "virtio-input",
    "virtio-multitouch": "virtio-input",
    "virtio-iommu": "virtio-iommu",
    "virtio-mem": "virtio-mem",
    "virtio-crypto": "virtio-crypto",
    "vhost-scsi": "vhost-scsi",
    "vhost-user-scsi": "vhost-user-scsi",
    "vhost-user-blk": "vhost-user-blk",
    "vhost-vsock": "virtio-vhost_vsock",
    "vhost-user-vsock": "vhost-user-vsock",
    "vhost-user-fs": "vhost-user-fs",
}

BRIDGES: Final = {
    #  driver           (section, is the bus behind it one of a PCI Express port?)
    "pcie-root-port": ("pcie-root-port", True),
    "ioh3420": ("ioh-3240-express-root-port", True),
    "x3130-upstream": ("xio3130-express-upstream-port", True),
    "xio3130-downstream": ("xio3130-express-downstream-port", True),
    "pcie-pci-bridge": ("pcie-pci-bridge", False),
    "pci-bridge": ("pci_bridge", False),
    "i82801b11-bridge": ("i82801b11_bridge", False),
}

_EEPROM_NICS = """i82550 i82551 i82557a i82557b i82557c i82558a i82558b i82559a i82559b i82559c i82559er i82562 i82801
tulip"""

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "VGA": ("vga",),
    "secondary-vga": ("vga",),
    "cirrus-vga": ("cirrus_vga",),
    "qxl-vga": ("qxl",),
    "qxl": ("qxl",),
    "vmware-svga": ("vmware_vga",),
    "bochs-display": ("bochs-display",),
    "ati-vga": (),
    "virtio-vga": ("virtio-gpu", "virtio-vga"),
    "virtio-vga-gl": ("virtio-gpu", "virtio-vga"),
    "virtio-gpu-gl-pci": ("virtio-gpu",),
    "e1000": ("e1000",),
    "e1000-82540em": ("e1000",),
    "e1000-82544gc": ("e1000",),
    "e1000-82545em": ("e1000",),
    "e1000e": ("e1000e",),
    "igb": ("igb",),
    "rtl8139": ("rtl8139",),
    "pcnet": ("pcnet",),
    "ne2k_pci": ("ne2000",),
    "vmxnet3": ("vmxnet3",),
    "qemu-xhci": ("xhci",),
    "nec-usb-xhci": ("xhci",),
    "usb-ehci": ("ehci",),
    "ich9-usb-ehci1": ("ehci",),
    "ich9-usb-ehci2": ("ehci",),
    "piix3-usb-uhci": ("uhci",),
    "piix4-usb-uhci": ("uhci",),
    "pci-ohci": ("ohci",),
    "ich9-ahci": ("ich9_ahci",),
    "ahci": ("ich9_ahci",),
    "piix3-ide": ("ide",),
    "piix4-ide": ("ide",),
    "lsi53c810": ("lsiscsi",),
    "lsi53c895a": ("lsiscsi",),
    "lsi": ("lsiscsi",),
    "am53c974": ("pciespscsi",),
    "dc390": ("eeprom", "pciespscsi"),
    "megasas": ("megasas",),
    "megasas-gen2": ("megasas-gen2",),
    "mptsas1068": ("mptsas",),
    "pvscsi": ("pvscsi",),
    "nvme": ("nvme",),
    "sdhci-pci": ("sdhci",),
    "intel-hda": ("intel-hda",),
    "ich9-intel-hda": ("intel-hda",),
    "AC97": ("ac97",),
    "ES1370": ("es1370",),
    "pci-serial": ("pci-serial",),
    "pci-serial-2x": ("pci-serial-multi",),
    "pci-serial-4x": ("pci-serial-multi",),
    "i6300esb": ("i6300esb_wdt",),
    "pvpanic-pci": ("pvpanic-pci",),
    "tpci200": ("tpci200",),
    "edu": (),
    "pci-testdev": (),
    "pxb": (),
    "pxb-pcie": (),
    **{f"ich9-usb-uhci{number}": ("uhci",) for number in range(1, 7)},
    **{name: ("eeprom", name) for name in _EEPROM_NICS.split()},
    **{name: (section,) for name, (section, _) in BRIDGES.items()},
}

BOARD_SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    #  type of a board's own device   its sections
    "i440FX": ("I440FX",),
    "PIIX3": ("PIIX3",),
    "PIIX4_PM": ("piix4_pm",),
    "mch": ("mch",),
    "ICH9-LPC": ("ICH9LPC",),
    "ICH9 SMB": ("ich9_smb",),  # until 5.2
    "ICH9-SMB": ("ich9_smb",),
    "gpex-root": ("gpex_root",),
}

ALIASES: Final = {name: f"{name}-pci" for name in VIRTIO_SECTIONS} | {
    "virtio": "virtio-net-pci",  # of -net nic,model=
    "ac97": "AC97",
    "es1370": "ES1370",
    "std": "VGA",  # of -vga
    "cirrus": "cirrus-vga",
    "vmware": "vmware-svga",
}

_NOT_PCI = re.compile(
    r"(usb-|scsi-|ide-|isa-|hda-|sd-|nvme-(ns|subsys)|ccid-|tpm-|u2f-|hv-|ipmi-|smbus-|i2c-|pc-dimm|nvdimm|virtconsole|"
    r"virtserialport|intel-iommu|pvpanic$|vmgenid|vmcoreinfo|loader|floppy|sb16|adlib|gus|cs4231a|i8042|ib700|port92|"
    r".*-cpu$|virtio-.*-device$|vmclock|sgx-)"
)

VIRTIO_PCI = re.compile(r"(v(?:irtio|host)-[\w-]+?)-pci(?:-(transitional|non-transitional))?")


def is_elsewhere(driver: str) -> bool:
    """Is it a device of another bus, so that it has no PCI address?"""
    return _NOT_PCI.match(driver) is not None
