package gateway

import "pilothouse/backends"

// Size is a number of bytes that a configuration file gives as "10MiB".
type Size = backends.Size
