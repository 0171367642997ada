import ArgumentParser
import NIOHTTP1
import Wire

struct ScrubCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scrub",
        abstract: "How far the node is with reading everything that it stores, to find damage.",
        discussion: """
            Examples: martlet scrub
                      martlet scrub --begin

            A pass runs by itself, at the pace that the node was started with (--scrub-rate). What it finds damaged is in
            quarantine: see `martlet quarantine list`.
            """)

    @Flag(help: "Begin a pass now, from the first object on.") var begin = false
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        try await NodeClient.with { client in
            let state = try await client.json(begin ? .POST : .GET, "/admin/v1/scrub")
            guard !json else { return Console.write(state.text) }
            guard let began = state["began"]?.string else { return Console.write("there was no pass yet") }
            let ended = state["ended"]?.string
            Console.write(ended.map { "a pass from \(began) to \($0)" } ?? "a pass since \(began), under way")
            Console.write(
                "\(state["versions"]?.integer ?? 0) versions, \(Size.text(state["bytes"]?.integer ?? 0)): \(state["damaged"]?.integer ?? 0) damaged, \(state["sealed"]?.integer ?? 0) with keys that do not open"
            )
        }
    }
}
