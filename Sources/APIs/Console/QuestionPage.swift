import HTTPSupport
import Identity
import NIOHTTP1

/// A page that asks one thing, with buttons for the answers.
struct QuestionPage {
    let title: String
    let lead: String
    /// What it is about, one thing a line.
    var items: [String] = []
    var note: String?
    var problem: String?
    let action: String
    /// What goes back with the answer.
    var fields: [(name: String, value: String)] = []
    /// What somebody has to type, if anything: its name, what it is called, and what stands there.
    var entry: (name: String, label: String, value: String)?
    /// The first is the one that most give.
    let answers: [(name: String, text: String)]
    var status: HTTPResponseStatus = .ok

    func response(_ files: StaticFiles, _ principal: Principal?) -> Response {
        var page = Page(title, principal)
        page.status = status
        return page.response(files) { html in
            html.element("form", .class("login"), .set("method", "post"), .set("action", action)) { html in
                html.element("h1", text: title)
                html.element("p", text: lead)
                if let problem { html.element("p", .class("problem"), .set("role", "alert"), text: problem) }
                if !items.isEmpty {
                    html.element("ul") { html in for item in items { html.element("li", text: item) } }
                }
                if let note { html.element("p", .class("sub"), text: note) }
                for field in fields {
                    html.void(
                        "input", .set("type", "hidden"), .set("name", field.name), .set("value", field.value))
                }
                if let entry {
                    html.element("label", .set("for", entry.name), text: entry.label)
                    html.void(
                        "input", .id(entry.name), .set("name", entry.name), .set("value", entry.value),
                        .set("autocomplete", "off"), .set("autocapitalize", "characters"), .set("spellcheck", "false"),
                        .flag("required"), .flag("autofocus"))
                }
                for (index, answer) in answers.enumerated() {
                    html.element(
                        "button", .class(index == 0 ? "" : "quiet"), .set("type", "submit"), .set("name", "answer"),
                        .set("value", answer.name), text: answer.text)
                }
            }
        }
    }
}
