package gpu

import "strconv"

// explain says what an XID means and what to do about it.
func (x *XID) explain() {
	if x.Code == 0 {
		x.Name, x.Meaning = "device event", "the driver told of it without a number"
		return
	}
	k, ok := xids[x.Code]
	if !ok {
		k = known{name: "XID " + strconv.Itoa(x.Code), meaning: "not in Pilothouse's table",
			action: "look it up in NVIDIA's catalog: https://docs.nvidia.com/deploy/xid-errors/"}
	}
	x.Name, x.Meaning, x.Action, x.Application, x.Mild = k.name, k.meaning, k.action, k.application, k.mild
}

// known is what is known of an XID.
type known struct {
	name, meaning, action string
	application           bool // what runs on the device causes it, most often
	mild                  bool
}

const (
	reset   = "drain its backends, end what runs on it, then reset it: nvidia-smi --gpu-reset"
	reboot  = "drain the host's backends and reboot the host"
	restart = "restart the backend, if it has not ended; if it comes again without a change of version or traffic, run dcgmi diag -r 3"
)

// xids are those that a host of inference servers gets to see. Names and causes
// are from NVIDIA's documentation "XID Errors" (docs.nvidia.com/deploy/xid-errors,
// with its catalog of resolutions); the words are ours.
var xids = map[int]known{
	8:   {name: "GPU stopped processing", meaning: "a channel made no progress in time", action: restart},
	13:  {name: "Graphics engine exception", meaning: "a kernel accessed an address or gave an instruction that is not allowed", action: restart, application: true},
	31:  {name: "GPU memory page fault", meaning: "a kernel accessed memory that is not its own", action: restart, application: true},
	32:  {name: "Invalid or corrupted push buffer stream", meaning: "what the driver sent to the device arrived damaged, on its way over PCIe maybe", action: "watch PCIe replays; " + reset},
	38:  {name: "Driver firmware error", meaning: "the driver's firmware failed", action: reset + "; update the driver"},
	43:  {name: "GPU stopped processing", meaning: "a program's work was ended after an error of its own; the device is well", action: restart, application: true},
	45:  {name: "Preemptive cleanup, due to previous errors", meaning: "work was taken off the device, since its program ended or an earlier error asked for it", action: "look at the errors before it; alone it follows from a process that was killed", application: true},
	46:  {name: "GPU stopped processing", meaning: "the device does not come to an end with its work", action: reset},
	48:  {name: "Double bit ECC error", meaning: "memory was damaged in a way that can't be corrected", action: reset + "; if it comes again, have the device replaced"},
	61:  {name: "Internal micro-controller breakpoint or warning", meaning: "the device's power controller stopped", action: reset},
	62:  {name: "Internal micro-controller halt", meaning: "the device's power controller stopped, of heat or a fault", action: "check cooling; " + reset + "; if it comes again, have the device replaced"},
	63:  {name: "Row remapping recorded", meaning: "a bad row of memory is to be put out of use at the next reset", action: "no hurry: at the next occasion, " + reset, mild: true},
	64:  {name: "Row remapping failed", meaning: "a bad row of memory can't be put out of use", action: reset + "; if it comes again, have the device replaced"},
	68:  {name: "Video decoder exception", meaning: "the video decoder failed, most often over what it was given", action: restart, application: true},
	69:  {name: "Graphics engine class error", meaning: "the engine was given a command that it does not have", action: restart},
	74:  {name: "NVLink error", meaning: "a link between GPUs failed", action: "check the bridge or the switch; " + reset + "; if it comes again, have it serviced"},
	79:  {name: "GPU has fallen off the bus", meaning: "the host can't reach the device over PCIe any more", action: reboot + "; then check its seat, power and heat, and have it replaced if it comes again"},
	92:  {name: "High single-bit ECC error rate", meaning: "many errors of memory had to be corrected", action: "watch corrected errors; run dcgmi diag -r 3 at the next occasion", mild: true},
	94:  {name: "Contained ECC error", meaning: "damaged memory met one program alone, which was ended", action: "restart the backend that ended; at the next occasion, " + reset},
	95:  {name: "Uncontained ECC error", meaning: "damaged memory may have met every program on the device", action: "trust no answer from it; " + reset},
	109: {name: "Context switch time-out", meaning: "a program did not let go of the device", action: restart, application: true},
	110: {name: "Security fault", meaning: "the device's security engine failed", action: reset},
	119: {name: "GSP RPC time-out", meaning: "the device's own processor (GSP) does not answer the driver", action: reset + "; if that fails, reboot the host; update the driver"},
	120: {name: "GSP error", meaning: "the device's own processor (GSP) failed", action: reset + "; if that fails, reboot the host; update the driver"},
	121: {name: "C2C link error", meaning: "the link between processor and GPU had errors", action: "no hurry: at the next occasion, " + reset, mild: true},
	140: {name: "Unrecovered ECC error", meaning: "memory was damaged, and the driver could not recover", action: reset},
	143: {name: "GPU initialization failure", meaning: "the device can't be started", action: reset + "; if that fails, reboot the host, and have the device replaced if it comes again"},
	145: {name: "NVLink RLW error", meaning: "a link between GPUs failed in its receiving part", action: reset},
	149: {name: "NVLink NETIR error", meaning: "a link between GPUs failed", action: "check cables and switches; " + reset},
	154: {name: "GPU recovery action changed", meaning: "the driver says what it wants done; the text has it", action: "do what the text says: a reset, a reboot, or draining its peers first"},
}
