package docker

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Stats are what a container uses now.
type Stats struct {
	At          time.Time // zero: it does not run, and the rest is 0
	CPU         float64   // percent of one core, over about the last second
	Memory      int64     // bytes, without file caches that can be dropped, as docker stats shows it
	MemoryLimit int64     // bytes: its own, or all that the host has
	PIDs        int       // processes and threads
	NetRead     int64     // bytes since its start, as below
	NetWritten  int64
	DiskRead    int64
	DiskWritten int64
}

// Stats reads what a container uses. The engine measures twice for it, which
// takes it one to two seconds.
func (e *Engine) Stats(ctx context.Context, name string) (Stats, error) {
	var s Stats
	err := e.act(ctx, "read stats of", name, e.timeout+2*time.Second, func(ctx context.Context, api *client.Client, c Container) error {
		got, err := api.ContainerStats(ctx, c.ID, client.ContainerStatsOptions{IncludePreviousSample: true})
		if err != nil {
			return err
		}
		defer got.Body.Close()
		var in container.StatsResponse
		if err := json.NewDecoder(got.Body).Decode(&in); err != nil {
			return err
		}
		s = statsOf(&in)
		return nil
	})
	if err != nil {
		return Stats{}, err
	}
	return s, nil
}

// statsOf reckons as docker stats does (docker/cli, command/container/stats_helpers.go).
func statsOf(in *container.StatsResponse) Stats {
	if in.Read.Year() <= 1 || in.PidsStats.Current == 0 && in.MemoryStats.Usage == 0 {
		return Stats{}
	}
	s := Stats{At: in.Read.UTC(), MemoryLimit: count(in.MemoryStats.Limit), PIDs: int(count(in.PidsStats.Current))}
	cores := float64(in.CPUStats.OnlineCPUs)
	if cores == 0 {
		cores = float64(len(in.CPUStats.CPUUsage.PercpuUsage))
	}
	used := float64(in.CPUStats.CPUUsage.TotalUsage) - float64(in.PreCPUStats.CPUUsage.TotalUsage)
	all := float64(in.CPUStats.SystemUsage) - float64(in.PreCPUStats.SystemUsage)
	if used > 0 && all > 0 {
		s.CPU = used / all * cores * 100
	}
	cache := in.MemoryStats.Stats["total_inactive_file"] // cgroup v1
	if cache == 0 {
		cache = in.MemoryStats.Stats["inactive_file"] // v2
	}
	s.Memory = count(in.MemoryStats.Usage)
	if cache < in.MemoryStats.Usage {
		s.Memory = count(in.MemoryStats.Usage - cache)
	}
	for _, n := range in.Networks {
		s.NetRead += count(n.RxBytes)
		s.NetWritten += count(n.TxBytes)
	}
	for _, b := range in.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(b.Op) {
		case "read":
			s.DiskRead += count(b.Value)
		case "write":
			s.DiskWritten += count(b.Value)
		}
	}
	return s
}

// count holds a number to what an int64 takes, some thousands of times.
func count(n uint64) int64 { return int64(min(n, 1<<50)) }
