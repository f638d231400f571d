-- Requests of the redirect bench for wrk: paths of the filled repository in a scattered order that comes to each of the working
-- set before it begins anew. Environment: CONTENTS (size of the working set), PREFIX, THINK_MS (pause before each request).
local contents = tonumber(os.getenv("CONTENTS"))
local think = tonumber(os.getenv("THINK_MS") or "0")
local prefix = os.getenv("PREFIX") or ""
local at = 0
-- Prime, and about 0.618 of the largest set: neighbours in time are far apart in the table.
local step = 1359803

request = function()
  at = (at + step) % contents
  local path = string.format("%s/pool/main/group-%d/package-%d_1.0-1_amd64.deb", prefix, math.floor(at / 1000), at)
  return wrk.format("GET", path)
end

if think > 0 then
  delay = function()
    return math.random(math.floor(think / 2), math.ceil(think * 3 / 2))
  end
end
