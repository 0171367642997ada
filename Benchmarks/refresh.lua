-- A load for wrk with one connection a thread: FILE holds a refresh token a line, one for each thread. Each answer has the
-- next token of its thread.
local threads = {}

function setup(thread)
    table.insert(threads, thread)
    thread:set("number", #threads)
end

function init(args)
    local count = 0
    for line in io.lines(args[1]) do
        count = count + 1
        if count == number then token = line end
    end
end

local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }

function request()
    local body = "client_id=gdal&grant_type=refresh_token&refresh_token=" .. (token or "")
    return wrk.format("POST", "/oidc/token", headers, body)
end

function response(status, _, body)
    token = body:match('"refresh_token":"([^"]+)"') or token
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
