// Package theme turns a semantic palette into the styles that the console draws with.
//
// What lives here: the themes ([Names], [New]), their [Styles], the [Signs]
// that stand beside every colour, and the words and signs of health, severity,
// alerts and sources, so that no state is told by colour alone.
// What flows in: a theme's name and whether the background is dark. What flows
// out: values, passed on, never global. The background stays the terminal's.
// It imports sources and ui/plain, and of the ui nothing else.
package theme
