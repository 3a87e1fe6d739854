-- Asks for the addresses of a file, one after the other: wrk … -s load.lua BASE -- FILE [MILLISECONDS between requests]
local paths, at, pause = {}, 0, 0

function init(args)
  for line in io.lines(args[1]) do paths[#paths + 1] = line end
  pause = tonumber(args[2] or "0")
  math.randomseed(1)
  at = math.random(#paths)
end

function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end

if pause then
  function delay() return pause end
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %f, "bytes": %d, "p50_us": %f, "p99_us": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99),
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
