-- A load for wrk: METHOD FILE [BODY], where FILE holds one request a line: its target, then its headers, between tabs.
-- Each thread takes its own share of the lines, so that no key is written by two of them, and begins anew when it has
-- sent all. Where there are fewer lines than threads, each takes all.
local threads = {}

function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
    for _, other in ipairs(threads) do other:set("count", #threads) end
end

-- The request of a line without its body, written once: a generator that writes headers anew for each request takes
-- processor time from the server beside it.
local function head(line, method, body)
    local headers = {}
    for name, value in line:gmatch("\t([^:\t]+): ([^\t]+)") do headers[name] = value end
    local whole = wrk.format(method, line:match("^[^\t]+"), headers, body)
    return body and whole:sub(1, -1 - #body) or whole
end

function init(args)
    local method, file, body = args[1], args[2], nil
    if args[3] then
        local handle = assert(io.open(args[3], "rb"))
        body = handle:read("*a")
        handle:close()
    end
    local lines, heads = {}, {}
    for line in io.lines(file) do lines[#lines + 1] = line end
    for index, line in ipairs(lines) do
        if index % count == number or #lines < count then heads[#heads + 1] = head(line, method, body) end
    end
    local last = 0
    request = function()
        last = last % #heads + 1
        return body and heads[last] .. body or heads[last]
    end
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
