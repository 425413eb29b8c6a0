"""Swear words, by language: those that broadcasters bleep whatever the sentence.

Kept by hand and short. The lists that packages carry count words of medicine ("vulva"), of law ("asesinato") and of every
day ("snatch", "martillo", "veuve") among them, and a transcript in which those are starred out is wrong. Words that are an
insult in some sentences only ("cow", "zorra") stay. Inflections are spelt out: nothing is matched in part.
"""

from __future__ import annotations

__all__ = ["SWEARING"]

ENGLISH = """
arse arsehole arseholes ass asses asshole assholes badass bastard bastards bitch bitches bitching bitchy bollocks
bullshit bullshitter bullshitting chickenshit clusterfuck cocksucker cocksuckers cunt cunts dickhead dickheads dipshit
dumbass faggot faggots fuck fucked fucker fuckers fuckhead fuckin fucking fucks fuckup goddam goddamn goddamned
horseshit jackass jerkoff motherfuck motherfucker motherfuckers motherfuckin motherfucking nigga niggas nigger niggers
piss pissed shit shite shithead shitheads shithole shits shitshow shitting shitty slut sluts twat twats unfucking wank
wanker wankers wanking whore whores
"""
GERMAN = """
arsch arschloch arschlöcher arschlöchern arschgeige arschkriecher beschissen beschissene beschissenen beschissener
beschissenes fick ficke ficken fickt fickst ficker fotze fotzen gefickt hurensohn hurensöhne hure huren kacke kanake
kanaken missgeburt miststück nutte nutten pisse schlampe schlampen scheiß scheiss scheiße scheisse scheißegal scheißen
scheißkerl schwuchtel schwuchteln verarschen verarscht verfickt verfickte verfickten verfickter verpiss verpissen
verpisst wichser wichsern wichse wichsen
"""
SPANISH = """
cabrón cabron cabrona cabronas cabrones capullo capullos chingada chingado chingados chingar chinga carajo coño coños
culero culeros follar follado gilipollas gilipollez hijoputa hijaputa joder jodan jode jodes jodida jodido jodidos
jodiendo maricón maricon maricones mierda mierdas pendeja pendejas pendejo pendejos puta putada putas puto putos verga
vergas
"""
FRENCH = """
branleur branleurs branleuse chiant chiante chiants chiantes chier chié connard connards connarde connasse connasses
conneries connerie couille couilles emmerde emmerdent emmerder emmerdeur enculé enculés enculée enculer enfoiré
enfoirés enfoirée foutre merde merdes merdique niquer nique niqué pédé pédés pétasse pétasses putain putains pute
putes salaud salauds salope salopes
"""

SWEARING = {
    "en": frozenset(ENGLISH.split()),
    "de": frozenset(GERMAN.split()),
    "es": frozenset(SPANISH.split()),
    "fr": frozenset(FRENCH.split()),
}
"""By the first part of a BCP 47 tag; words in small letters."""
