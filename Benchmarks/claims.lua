-- A load for wrk: the jobs of one array claim their tokens. FILE holds the claim; each thread claims every THREADS-th number.
local threads = {}

function setup(thread)
    table.insert(threads, thread)
    thread:set("number", #threads - 1)
end

local claim, step

function init(args)
    claim = io.open(args[1]):read("l")
    step = tonumber(args[2])
end

local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }

function request()
    local body = "claim=" .. claim .. "&index=" .. number
    number = number + step
    return wrk.format("POST", "/oidc/jobs/claim", headers, body)
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
