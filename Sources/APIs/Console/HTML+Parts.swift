import HTTPSupport
import Wire

/// Small parts that several pages have.
extension HTML {
    /// The way from the collections to where one is.
    mutating func trail(_ steps: [(text: String, link: String)], here: String) {
        element("nav", .class("trail"), .set("aria-label", "Breadcrumb")) { html in
            html.element("ol") { html in
                for step in steps { html.element("li") { $0.element("a", .href(step.link), text: step.text) } }
                html.element("li", .set("aria-current", "page"), text: here)
            }
        }
    }

    /// A command that people copy, with a button for it. Without JavaScript there is no button.
    mutating func command(_ command: String, _ label: String = "Copy") {
        element("div", .class("command")) { html in
            html.element("pre", .set("tabindex", "0")) { $0.element("code", text: command) }
            html.element(
                "button", .class("quiet"), .set("type", "button"), .flag("data-copy"), .flag("hidden"), text: label)
        }
    }

    mutating func time(_ times: ClosedRange<Timestamp>?) {
        guard let times else { return text("time unknown") }
        element("time", .set("datetime", times.lowerBound.rfc3339), text: Words.time(times.lowerBound))
        guard times.lowerBound != times.upperBound else { return }
        text(" to ")
        element("time", .set("datetime", times.upperBound.rfc3339), text: Words.time(times.upperBound))
    }

    /// The product's picture, or an empty frame of the same size; nothing where no item of the list has one.
    mutating func thumbnail(_ item: ItemView, in items: some Collection<ItemView>) {
        guard items.contains(where: { $0.picture != nil }) else { return }
        if let picture = item.picture {
            void(
                "img", .class("thumb"), .src(Link.open(picture.href)), .set("alt", ""), .set("loading", "lazy"),
                .set("width", "56"), .set("height", "56"))
        } else {
            raw("<span class=\"thumb\" aria-hidden=\"true\"></span>")
        }
    }

    /// A term of a description list and what is said of it.
    mutating func entry(_ term: String, _ text: String) {
        element("dt", text: term)
        element("dd", text: text)
    }
}
